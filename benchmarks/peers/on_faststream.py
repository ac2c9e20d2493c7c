"""
FastStream on aio-pika, asyncpg and uvloop.

As documented: publisher confirms and persistent messages, a prefetch above one for throughput, `NACK_ON_ERROR` so
that a message whose handler raised is delivered again. The handler takes the decoded dictionary: no model is built.

What it does not give, beside outbox and inbox: a limit to redelivery of its own, or a place for what always fails.
"""

import asyncio
from typing import Any

import asyncpg
import uvloop
from faststream import AckPolicy
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitQueue

from benchmarks.commands import Times, obey, shares
from benchmarks.event import WRITERS, payload
from benchmarks.peers.shape import QUEUE, WRITE_EFFECT, WRITE_STATE, amqp_url, database_url, run

PREFETCH = 100
queue = RabbitQueue(QUEUE, durable=True, queue_type=QueueType.QUORUM)


async def connected(size: int) -> tuple[Any, RabbitBroker]:
    pool = await asyncpg.create_pool(database_url(), min_size=size, max_size=size)
    return pool, RabbitBroker(amqp_url(), logger=None, default_channel=Channel(prefetch_count=PREFETCH))


def produce() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        pool, broker = runner.run(connected(WRITERS))
        runner.run(broker.connect())
        runner.run(broker.declare_queue(queue))

        async def write(count: int) -> str:
            for _ in range(count):
                event = payload()
                async with pool.acquire() as connection:
                    await connection.execute(_numbered(WRITE_STATE), event["plan_id"], event["version"])
                await broker.publish(event, queue, persist=True)
            return str(event["plan_id"])

        async def live(count: int) -> None:
            await asyncio.gather(*(write(share) for share in shares(count) if share))

        obey(lambda count: runner.run(live(count)), lambda: runner.run(write(1)))


def consume() -> None:
    times = Times("effected")

    async def main() -> None:
        pool, broker = await connected(WRITERS)

        @broker.subscriber(queue, ack_policy=AckPolicy.NACK_ON_ERROR)
        async def on_plan_revised(event: dict[str, Any]) -> None:
            async with pool.acquire() as connection:
                await connection.execute(_numbered(WRITE_EFFECT), event["plan_id"], event["version"])
            times.note(event["plan_id"])

        await broker.start()
        print("ready", flush=True)
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def _numbered(statement: str) -> str:
    return statement.replace("%s", "$1", 1).replace("%s", "$2", 1)


if __name__ == "__main__":
    run(produce=produce, consume=consume)
