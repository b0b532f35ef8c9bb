"""/datasets: pictures by class, on which models are audited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from picasso.service.audits import labels_of
from picasso.service.configuration import DatasetSpecification
from picasso.web.answers.datasets import DatasetAnswer, DescribedDataset
from picasso.web.body_limit import Most
from picasso.web.errors import RequestError
from picasso.web.routes import FILE, ServiceNeeded, form_schema, get_service, may_add

router = APIRouter(prefix="/datasets", tags=["datasets"])
MOST = Most(4 * 2**30, "An archive may have at most 4 GB.", "Add it by its path.")
_FORM = form_schema(file=FILE)


class Datasets(BaseModel):
    """All data sets."""

    datasets: list[DatasetAnswer]


@router.get("")
def list_datasets(service: ServiceNeeded) -> Datasets:
    """List the data sets that the server knows."""
    return Datasets(datasets=[DatasetAnswer.of(record) for record in service.store.datasets()])


@router.post("", status_code=201, dependencies=[Depends(may_add)])
def add_dataset(specification: DatasetSpecification, service: ServiceNeeded) -> DatasetAnswer:
    """Add a data set by its path."""
    return DatasetAnswer.of(service.add_dataset(specification.beside(Path.cwd())))


@router.post("/archives", status_code=201, dependencies=[Depends(may_add)], openapi_extra=_FORM)
async def upload_dataset(
    request: Request,
    name: Annotated[
        str, Query(max_length=200, description="What the data set is called; where it is left out, as its file.")
    ] = "",
) -> DatasetAnswer:
    """Add a data set by sending it as a zip archive. With a name in the address a taken one is refused at once."""
    service = get_service(request)
    if name:
        with service.sending(name) as upload:  # before the archive is read, which may take minutes
            async with request.form(max_files=1) as form:
                return DatasetAnswer.of(await run_in_threadpool(service.keep_dataset, upload, _sent(form).file))
    async with request.form(max_files=1) as form:
        file = _sent(form)
        return DatasetAnswer.of(await run_in_threadpool(service.upload_dataset, file.file, file.filename or "pictures"))


def _sent(form: FormData) -> UploadFile:
    """Return the file of a form."""
    file = next((value for _, value in form.multi_items() if isinstance(value, UploadFile)), None)
    if file is None:
        raise RequestError("The request holds no file.", "Send a zip as multipart/form-data.")
    return file


@router.get("/{name}")
def get_dataset(name: str, service: ServiceNeeded, model: str | None = None) -> DescribedDataset:
    """Read a data set: its pictures by class, a model's labels for them, and what an audit would do with them."""
    known = service.store.model(model) if model else None
    record, card = service.dataset(name)
    labels = labels_of([label for label, _ in card.classes], known) if known else {}
    return DescribedDataset.described(record, card, labels, service.catalog.interventions())


@router.delete("/{name}", status_code=204, dependencies=[Depends(may_add)])
def delete_dataset(name: str, service: ServiceNeeded) -> Response:
    """Forget a data set that was added; its audits stay."""
    service.delete_dataset(name)
    return Response(status_code=204)
