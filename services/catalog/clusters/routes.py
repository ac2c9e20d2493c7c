"""Career clusters over HTTP."""

from typing import Any

from pydantic import BaseModel, Field

from services.catalog.clusters.rules import CLUSTERS
from services.catalog.roles import READERS
from shared.web.routes import Call, Reply, Routes, staff

routes = Routes(service="catalog", tag="clusters")
EDITION = "2002"  # the year of the framework; its sixteen clusters no longer change


class ClusterDocument(BaseModel):
    """One career cluster."""

    slug: str = Field(description="Stable short name", examples=["health"])
    name: str = Field(description="What goals and partners are matched by", examples=["Health Science"])
    about: str
    also: list[str] = Field(description="Other names that are understood")


class ClusterList(BaseModel):
    """The sixteen career clusters."""

    items: list[ClusterDocument]


@routes.get(
    "/v1/clusters",
    summary="The sixteen career clusters a student can choose from",
    reply=ClusterList,
    access=staff(*READERS),
)
def list_clusters(call: Call[Any]) -> Reply:
    if call.if_none_match == int(EDITION):
        return Reply(status=304, etag=EDITION)
    items = [ClusterDocument(slug=c.slug, name=c.name, about=c.about, also=list(c.also)) for c in CLUSTERS]
    return Reply(ClusterList(items=items), etag=EDITION)
