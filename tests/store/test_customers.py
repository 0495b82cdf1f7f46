import asyncio
from datetime import datetime

from ari_app.store import customers
from ari_app.store.customers import Change, Customer
from ari_app.store.database import Database

JANE = Customer("+441632960001", "Jane Doe", 1980, "4711", "jane@example.com")


async def test_a_caller_is_known_by_number(database: Database, now: datetime) -> None:
    assert await database.run(lambda c: customers.upsert(c, JANE, now=now)) is Change.ADDED
    assert await database.read(lambda c: customers.find(c, JANE.number)) == JANE
    assert await database.read(lambda c: customers.find(c, "+441632960002")) is None


async def test_a_withheld_number_is_nobodys(database: Database, now: datetime) -> None:
    await database.run(lambda c: customers.upsert(c, Customer("", "Nobody"), now=now))
    assert await database.read(lambda c: customers.find(c, "")) is None


async def test_an_empty_field_keeps_what_is_known(database: Database, now: datetime) -> None:
    await database.run(lambda c: customers.upsert(c, JANE, now=now))
    married = Customer(JANE.number, "Jane Smith")
    assert await database.run(lambda c: customers.upsert(c, married, now=now)) is Change.UPDATED
    assert await database.run(lambda c: customers.upsert(c, married, now=now)) is Change.UNCHANGED
    found = await database.read(lambda c: customers.find(c, JANE.number))
    assert found == Customer(JANE.number, "Jane Smith", 1980, "4711", "jane@example.com")


async def test_customers_are_listed_by_name_and_found_by_a_part(database: Database, now: datetime) -> None:
    for number, name in (("+441632960003", "zoe"), ("+441632960001", "Ann"), ("+441632960002", "O'Brien %")):
        await database.run(lambda c, n=number, m=name: customers.upsert(c, Customer(n, m), now=now))  # type: ignore[misc]
    assert [c.name for c in await database.read(customers.listed)] == ["Ann", "O'Brien %", "zoe"]
    assert [c.name for c in await database.read(lambda c: customers.listed(c, search="o'b"))] == ["O'Brien %"]
    assert [c.name for c in await database.read(lambda c: customers.listed(c, search="960003"))] == ["zoe"]


async def test_a_removed_customer_is_forgotten(database: Database, now: datetime) -> None:
    await database.run(lambda c: customers.upsert(c, JANE, now=now))
    assert await database.run(lambda c: customers.remove(c, JANE.number))
    assert not await database.run(lambda c: customers.remove(c, JANE.number))


async def test_two_workers_may_add_the_same_customer(database: Database, now: datetime) -> None:
    changes = await asyncio.gather(
        *(database.run(lambda c: customers.upsert(c, JANE, now=now)) for _ in range(8)),
    )
    assert sorted(changes) == [Change.ADDED] + [Change.UNCHANGED] * 7
