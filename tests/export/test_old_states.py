"""States as the version before wrote them, byte for byte: what it began is gone on with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from tests.export import readers
from timezest_async import F, TimeZestClient, export
from timezest_async.sandbox import Sandbox

CHECKPOINT: Final = (
    r'{"checksum":"9a3b7ecb8aa47d374e8540a311481a9c","state":{"timezest_export":2,"start":"{\"timezest_c'
    r"heckpoint\":1,\"path\":\"/scheduling_requests\",\"queries\":[\"scheduling_request.created_at~GTE~1"
    r"750000000\"],\"backwards\":false,\"position\":{},\"account\":\"f9bad8434ffb1f667e51828b6e2b7540\"}"
    r'","shape":{"format":"csv","compression":null,"fields":["id","status"],"raw_csv":false},"limit":nul'
    r'l,"overwrite":false,"skip_unreadable":false,"columns":["id","status"],"phase":"reading","place":"{'
    r"\"checksum\":\"e235c49ef3e7ed584393cd7aae9b8103\",\"state\":{\"records\":20,\"checkpoint\":\"{\\\""
    r"timezest_checkpoint\\\":1,\\\"path\\\":\\\"/scheduling_requests\\\",\\\"queries\\\":[\\\"schedulin"
    r"g_request.created_at~GTE~1750000000\\\"],\\\"backwards\\\":false,\\\"position\\\":{\\\"after\\\":"
    r"\\\"sreq_25\\\",\\\"second\\\":1750000025,\\\"seen\\\":[\\\"sreq_25\\\"]},\\\"account\\\":\\\"f9ba"
    r"d8434ffb1f667e51828b6e2b7540\\\"}\",\"extent\":301,\"first\":1750000044,\"last\":1750000025,\"unre"
    r"adable\":0,\"unreadable_bytes\":0,\"digest\":\"9516308f4e7968de80ef62acf36613a5\",\"unreadable_dig"
    r'est\":\"\",\"export\":\"c5022542d31934c9\"}}\n","export":"c5022542d31934c9","whole":null}}'
)

STATE: Final = (
    r'{"checksum":"e0ad920e729d93e45bbb4b85ceda20fb","state":{"timezest_incremental":2,"key":{"queries":'
    r'["scheduling_request.created_at~GTE~1750000000~AND~scheduling_request.created_at~LT~1750000004"],"'
    r'format":"jsonl","compression":null,"fields":["id","status","created_at","updated_at"],"raw_csv":fa'
    r'lse},"high_water":1750000003,"length":322,"appending":false,"seen":{"sreq_3":["new",1750000003,175'
    r'0000003,true],"sreq_1":["new",1750000001,1750000001,true]},"since":1750000003,"settled":null,"begu'
    r'n":1795660034,"records":4,"account":"f9bad8434ffb1f667e51828b6e2b7540","columns":["id","status","c'
    r'reated_at","updated_at"],"digest":"1:ec0f0f7ddbfede762c5426a7aecfab64"}}'
)

START: Final = 1_750_000_000


def fill(sandbox: Sandbox) -> None:
    for number in range(45):
        time = START + number
        status = "new" if number % 2 else "closed"
        sandbox.add(id=f"sreq_{number}", created_at=time, updated_at=time, status=status)


@pytest.mark.asyncio
async def test_an_export_of_the_version_before_is_gone_on_with(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    fill(sandbox)
    path = tmp_path / "a.csv"
    rows = [f"sreq_{number},{'new' if number % 2 else 'closed'}\r\n" for number in reversed(range(25, 45))]
    (tmp_path / "a.csv.partial").write_bytes("".join(["id,status\r\n", *rows]).encode())
    (tmp_path / "a.csv.partial.checkpoint").write_text(CHECKPOINT)
    summary = await export.ExportJob.resume(client, path, other_key=True).run()
    assert (summary.records, summary.resumed, summary.pages) == (45, 20, 2)
    assert [row["id"] for row in readers.read(path)] == [f"sreq_{number}" for number in reversed(range(45))]


@pytest.mark.asyncio
async def test_an_incremental_export_of_the_version_before_is_gone_on_with(
    client: TimeZestClient, sandbox: Sandbox, tmp_path: Path
) -> None:
    fill(sandbox)
    path, state = tmp_path / "b.jsonl", tmp_path / "state"
    path.write_text(
        "".join(
            f'{{"id":"sreq_{number}","status":"{"new" if number % 2 else "closed"}",'
            f'"created_at":{START + number},"updated_at":{START + number}}}\n'
            for number in (3, 2, 1, 0)
        )
    )
    state.write_text(STATE)
    sandbox.update("sreq_1", status="closed", updated_at=START + 100)
    job = export.IncrementalExport(
        client,
        path,
        state,
        filter=(F.created_at >= START) & (F.created_at < START + 4),
        fields=["id", "status", "created_at", "updated_at"],
        overlap=timedelta(0),
        other_key=True,
    )
    summary = await job.run()
    assert (summary.created, summary.changed, summary.unchanged) == (0, 1, 1)
    assert [row["id"] for row in readers.read(path)] == ["sreq_3", "sreq_2", "sreq_1", "sreq_0", "sreq_1"]
