"""The files of OneRoster CSV 1.1 and 1.2 and of Microsoft SDS 2.1: headers, required values, types, references."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.roster.imports.csv_table import Columns
from services.roster.vocabulary import ORG_TYPES, ROLES_SDS, ROLES_V1P1, ROLES_V1P2

Version = Literal["1.1", "1.2", "sds"]

# A required value carries "!".
_RACES = (
    "americanIndianOrAlaskaNative asian blackOrAfricanAmerican nativeHawaiianOrOtherPacificIslander white "
    "demographicRaceTwoOrMoreRaces hispanicOrLatinoEthnicity"
)
_BOTH = {
    "academicSessions": "title! type! startDate! endDate! parentSourcedId schoolYear!",
    "orgs": "name! type! identifier parentSourcedId",
    "courses": "schoolYearSourcedId title! courseCode grades orgSourcedId! subjects subjectCodes",
    "classes": "title! grades courseSourcedId! classCode classType! location schoolSourcedId! termSourcedIds! subjects "
    "subjectCodes periods",
    "enrollments": "classSourcedId! schoolSourcedId! userSourcedId! role! primary beginDate endDate",
    "demographics": f"birthDate sex {_RACES} countryOfBirthCode stateOfBirthAbbreviation cityOfBirth "
    "publicSchoolResidenceStatus",
    "resources": "vendorResourceId! title roles importance vendorId applicationId",
    "classResources": "title classSourcedId! resourceSourcedId!",
    "courseResources": "title courseSourcedId! resourceSourcedId!",
}
_V1P1 = _BOTH | {
    "users": "enabledUser! orgSourcedIds! role! username! userIds givenName! familyName! middleName identifier email "
    "sms phone agentSourcedIds grades password",
    "categories": "title!",
    "lineItems": "title! description assignDate! dueDate! classSourcedId! categorySourcedId! gradingPeriodSourcedId! "
    "resultValueMin resultValueMax",
    "results": "lineItemSourcedId! studentSourcedId! scoreStatus! score scoreDate! comment",
}
_V1P2 = _BOTH | {
    "users": "enabledUser! username! userIds givenName! familyName! middleName identifier email sms phone "
    "agentSourcedIds grades password userMasterIdentifier preferredGivenName preferredMiddleName preferredFamilyName "
    "primaryOrgSourcedId pronouns",
    "roles": "userSourcedId! roleType! role! beginDate endDate orgSourcedId! userProfileSourcedId",
    "userProfiles": "userSourcedId! profileType! vendorId! applicationId description credentialType! username! "
    "password",
    "userResources": "userSourcedId! orgSourcedId classSourcedId resourceSourcedId!",
    "categories": "title! weight",
    "lineItems": "title! description assignDate! dueDate! classSourcedId! categorySourcedId! academicSessionSourcedId! "
    "resultValueMin resultValueMax schoolSourcedId!",
    "results": "lineItemSourcedId! studentSourcedId! scoreStatus! score scoreDate! comment textScore classSourcedId "
    "inProgress incomplete late missing",
    "scoreScales": "title type orgSourcedId courseSourcedId classSourcedId scoreScaleValue",
    "lineItemScoreScales": "title lineItemSourcedId! scoreScaleSourcedId!",
    "resultScoreScales": "title resultSourcedId! scoreScaleSourcedId!",
    "lineItemLearningObjectiveIds": "lineItemSourcedId! source learningObjectiveId",
    "resultLearningObjectiveIds": "resultSourcedId! source learningObjectiveId score textScore",
}
# SDS 2.1 has neither manifest nor status columns; only its leading columns are fixed.
_SDS = {
    "orgs": "sourcedId! name! type! parentSourcedId",
    "users": "sourcedId! username! givenName familyName password activeDirectoryMatchId email phone sms",
    "roles": "userSourcedId! orgSourcedId! role! sessionSourcedId grade isPrimary roleStartDate roleEndDate",
    "relationships": "userSourcedId! relationshipUserSourcedId! relationshipRole!",
    "demographics": "userSourcedId! sex birthDate birthCity birthState birthCountry ethnicityCodes raceCodes",
    "academicSessions": "sourcedId! title! type! schoolYear! startDate! endDate!",
    "classes": "sourcedId! orgSourcedId! title! sessionSourcedIds courseSourcedId",
    "courses": "sourcedId! orgSourcedId! title! code schoolYearSourcedId subject grade",
    "enrollments": "classSourcedId! userSourcedId! role!",
    "userFlags": "userSourcedId! flag!",
}
_OPTIONAL_SDS = frozenset(
    {
        "password",
        "activeDirectoryMatchId",
        "sex",
        "birthCity",
        "birthState",
        "birthCountry",
        "ethnicityCodes",
        "raceCodes",
    }
)

# What Signpost acts on. A fault in these refuses the import; a fault anywhere else is a warning.
_USED: Mapping[str, str] = {
    "orgs": "sourcedId status name type parentSourcedId",
    "users": "sourcedId status role orgSourcedIds givenName familyName grades",
    "roles": "sourcedId status userSourcedId role orgSourcedId beginDate endDate roleStartDate roleEndDate grade",
    "demographics": "sourcedId userSourcedId status birthDate",
    "classes": "sourcedId status",
    "enrollments": "sourcedId status classSourcedId userSourcedId role beginDate endDate",
    "relationships": "userSourcedId relationshipUserSourcedId relationshipRole",
}
READ = tuple(_USED)

_ALIASES: Mapping[str, Mapping[str, str]] = {
    "users": {"userId": "userIds", "agents": "agentSourcedIds", "grade": "grades", "orgSourcedId": "orgSourcedIds"},
    "classes": {"grade": "grades", "termSourcedId": "termSourcedIds"},
    "courses": {"grade": "grades", "schoolYearId": "schoolYearSourcedId"},
    "demographics": {"userSourcedId": "sourcedId", "birthdate": "birthDate"},
}
_COMMON_ALIASES = {"dataLastModified": "dateLastModified", "lastModified": "dateLastModified"}

DATE_COLUMNS = frozenset(
    {
        "startDate",
        "endDate",
        "beginDate",
        "birthDate",
        "assignDate",
        "dueDate",
        "scoreDate",
        "roleStartDate",
        "roleEndDate",
    }
)
BOOLEAN_COLUMNS = frozenset({"enabledUser", "primary", "inProgress", "incomplete", "late", "missing", *_RACES.split()})
_VOCABULARIES: Mapping[tuple[str, str], frozenset[str]] = {
    ("academicSessions", "type"): frozenset({"gradingPeriod", "semester", "schoolYear", "term"}),
    ("orgs", "type"): ORG_TYPES,
    ("classes", "classType"): frozenset({"homeroom", "scheduled"}),
    ("roles", "roleType"): frozenset({"primary", "secondary"}),
    ("enrollments", "role"): frozenset({"administrator", "proctor", "student", "teacher"}),
    ("resources", "importance"): frozenset({"primary", "secondary"}),
    ("demographics", "sex"): frozenset({"male", "female"}),
}
# Words that may be extended with `ext:<token>` in 1.2.
EXTENSIBLE = frozenset({"type", "classType", "role"})

# (file, column) -> file it points into. References to users are checked on the normalised records instead.
REFERENCES: Mapping[tuple[str, str], str] = {
    ("academicSessions", "parentSourcedId"): "academicSessions",
    ("orgs", "parentSourcedId"): "orgs",
    ("courses", "schoolYearSourcedId"): "academicSessions",
    ("courses", "orgSourcedId"): "orgs",
    ("classes", "courseSourcedId"): "courses",
    ("classes", "schoolSourcedId"): "orgs",
    ("classes", "orgSourcedId"): "orgs",
    ("classes", "termSourcedIds"): "academicSessions",
    ("classes", "sessionSourcedIds"): "academicSessions",
    ("enrollments", "classSourcedId"): "classes",
    ("enrollments", "schoolSourcedId"): "orgs",
}


@dataclass(frozen=True)
class FileKind:
    """One data file of one version."""

    name: str
    version: Version
    columns: Columns

    @property
    def file(self) -> str:
        return f"{self.name}.csv"

    @property
    def is_read(self) -> bool:
        return self.name in _USED

    @property
    def key_column(self) -> str | None:
        if self.version == "sds" and self.name in ("roles", "relationships", "enrollments", "userFlags"):
            return None
        return "userSourcedId" if (self.version, self.name) == ("sds", "demographics") else "sourcedId"

    def vocabulary(self, column: str) -> frozenset[str] | None:
        if self.version == "sds":
            return ROLES_SDS if column == "role" and self.name == "roles" else None
        if column == "role" and self.name == "users":
            return ROLES_V1P1
        if column == "role" and self.name == "roles":
            return ROLES_V1P2
        words = _VOCABULARIES.get((self.name, column))
        if words and self.version == "1.2" and column == "sex":
            return words | {"unspecified", "other"}
        return words


def files_of(version: Version) -> Mapping[str, FileKind]:
    """Every data file of a version, by name without `.csv`, in the order in which they may be read."""
    return _FILES[version]


_SAFE_ORDER: tuple[str, ...] = (
    "orgs",
    "academicSessions",
    "courses",
    "classes",
    "users",
    "roles",
    "relationships",
    "userProfiles",
)
_SAFE_ORDER += ("demographics", "enrollments")


def _kind(version: Version, name: str, headers: str) -> FileKind:
    leading = "" if version == "sds" else "sourcedId! status dateLastModified "
    words = (leading + headers).split()
    names = tuple(word.rstrip("!") for word in words)
    columns = Columns(
        names=names,
        required=frozenset(word.rstrip("!") for word in words if word.endswith("!")),
        used=frozenset(_USED.get(name, "").split()),
        aliases={old: new for old, new in {**_COMMON_ALIASES, **_ALIASES.get(name, {})}.items() if new in names},
        optional=_OPTIONAL_SDS if version == "sds" else frozenset(),
    )
    return FileKind(name, version, columns)


def _ordered(version: Version, files: Mapping[str, str]) -> Mapping[str, FileKind]:
    names = [name for name in _SAFE_ORDER if name in files] + [name for name in files if name not in _SAFE_ORDER]
    return {name: _kind(version, name, files[name]) for name in names}


_FILES: Mapping[Version, Mapping[str, FileKind]] = {
    "1.1": _ordered("1.1", _V1P1),
    "1.2": _ordered("1.2", _V1P2),
    "sds": _ordered("sds", _SDS),
}
