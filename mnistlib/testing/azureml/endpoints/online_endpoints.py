"""Online endpoints of azure-ai-ml: an address each, its keys, and the shares of its deployments in the traffic."""

import re
import secrets
import time
from collections import Counter

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mnistlib.testing.azureml.answers import Refusal, bad_argument, error_answer, listing, not_found, now, unsupported
from mnistlib.testing.azureml.endpoints.deployments import NAME, Deployments
from mnistlib.testing.azureml.endpoints.scoring import EntryError, ScoringError
from mnistlib.testing.azureml.resource import Resource, Runtime, missing, route
from mnistlib.testing.azureml.store import Document
from mnistlib.testing.azureml.tokens import LIFETIME

_BEARER = re.compile(r"bearer\s+(?P<token>\S+)", re.IGNORECASE)

_WORKSPACE = "management.azure.com{WORKSPACE}"
_SCORING = "{endpoint}.{region}.inference.ml.azure.com"


class OnlineEndpoints(Resource):
    """Endpoints by name, in any case: a name is part of an address."""

    base = f"{_WORKSPACE}/onlineEndpoints"
    not_covered = (
        missing("PATCH", "/{endpoint}", by="v2", purpose="Change the tags of an endpoint."),
        missing("GET", f"{_SCORING}/swagger.json", by="v2", purpose="Describe the requests of an endpoint."),
        missing("GET", f"{_WORKSPACE}/batchEndpoints", by="v2", purpose="List batch endpoints."),
        missing("PUT", f"{_WORKSPACE}/batchEndpoints/{{name}}", by="v2", purpose="Create a batch endpoint."),
        missing("PUT", f"{_WORKSPACE}/serverlessEndpoints/{{name}}", by="v2", purpose="Deploy a catalogue's model."),
    )

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._deployments = Deployments(runtime)
        self._routed: dict[str, Counter[str]] = {}

    @route("GET", "", by="v2")
    async def list_all(self, request: Request) -> Response:
        """List all endpoints."""
        return listing([self._described(endpoint) for endpoint in self._store.all("online_endpoint")])

    @route("GET", "/{endpoint}", by="v2")
    async def get(self, request: Request) -> Response:
        """Describe an endpoint."""
        return JSONResponse(self._described(self._deployments.endpoint(request)))

    @route("PUT", "/{endpoint}", by="v2", unsupported="endpoints on Kubernetes; mirrored traffic")
    async def put(self, request: Request) -> Response:
        """Create an endpoint, or change its traffic and its description."""
        name, body = request.path_params["endpoint"], await request.json()
        properties = body["properties"]
        if not NAME.fullmatch(name):
            raise bad_argument(f"{name!r} is not a valid name for an endpoint: 3 to 32 letters, digits, hyphens.")
        if properties.get("compute") or properties.get("mirrorTraffic"):
            raise unsupported("the emulator covers managed endpoints only, without mirrored traffic")
        known = self._store.get("online_endpoint", name.lower())
        properties["traffic"] = properties.get("traffic") or {}
        self._check_traffic(name, properties["traffic"])
        endpoint = {
            "name": known["name"] if known else name,
            "properties": properties,
            "tags": body.get("tags") or {},
            "identity": body.get("identity") or {"type": "SystemAssigned"},
            "keys": known["keys"] if known else {"primaryKey": _new_key(), "secondaryKey": _new_key()},
            "created": known["created"] if known else now(),
            "modified": now(),
        }
        self._routed.pop(name.lower(), None)
        self._store.put("online_endpoint", name.lower(), endpoint)
        return JSONResponse(self._described(endpoint), 200 if known else 201)

    @route("DELETE", "/{endpoint}", by="v2")
    async def delete(self, request: Request) -> Response:
        """Delete an endpoint with its deployments, and end their processes."""
        name = request.path_params["endpoint"]
        if not self._store.delete("online_endpoint", name.lower()):
            return Response(status_code=204)
        for deployment in self._deployments.of(name):
            await run_in_threadpool(self._deployments.remove, deployment)
        return Response(status_code=200)

    @route("POST", "/{endpoint}/listKeys", by="v2")
    async def keys(self, request: Request) -> Response:
        """Return the keys of an endpoint."""
        return JSONResponse(self._deployments.endpoint(request)["keys"])

    @route("POST", "/{endpoint}/regenerateKeys", by="v2")
    async def new_key(self, request: Request) -> Response:
        """Replace a key of an endpoint; the old key that the SDK sends along is ignored."""
        endpoint, wanted = self._deployments.endpoint(request), await request.json()
        endpoint["keys"] |= {f"{wanted['keyType'].lower()}Key": _new_key()}
        self._store.put("online_endpoint", endpoint["name"].lower(), endpoint)
        return Response(status_code=200)

    @route("POST", "/{endpoint}/token", by="v2")
    async def token(self, request: Request) -> Response:
        """Issue a token for an endpoint."""
        name, expires = self._deployments.endpoint(request)["name"], int(time.time() + LIFETIME)
        facts = {"expiryTimeUtc": expires, "refreshAfterTimeUtc": expires - LIFETIME // 2, "tokenType": "Bearer"}
        return JSONResponse({"accessToken": self._state.tokens.issue(endpoint=name), **facts})

    @route("POST", f"{_SCORING}/score", by="v2")
    async def score(self, request: Request) -> Response:
        """Score data with the deployment that the header names, else with one chosen by the shares of the traffic."""
        endpoint = self._deployments.endpoint(request)
        if not self._is_authorized(endpoint, request.headers.get("authorization", "")):
            return error_answer(401, "Unauthorized", "The endpoint's key or token is missing or wrong.")
        deployment = self._deployment_for(endpoint, request.headers.get("azureml-model-deployment"))
        data = await request.body()
        try:
            answer = await run_in_threadpool(self._deployments.scorer(deployment).score, data)
        except EntryError as error:
            return JSONResponse({"message": str(error)}, 424, headers=_model_error(500))
        except ScoringError as error:
            return JSONResponse({"message": str(error)}, 424, headers=_model_error(502))
        answer.headers["azureml-model-deployment"] = deployment["name"]
        if answer.status_code != 200:  # Azure reports every status of a script as an error of the model
            answer.headers.update(_model_error(answer.status_code))
            answer.status_code = 424
        return answer

    def _is_authorized(self, endpoint: Document, header: str) -> bool:
        found = _BEARER.fullmatch(header)
        if found is None:
            return False
        if endpoint["properties"]["authMode"].lower() == "key":
            known = endpoint["keys"].values()
            return any(secrets.compare_digest(found["token"].encode(), key.encode()) for key in known)
        return self._state.tokens.is_valid(found["token"])

    def _deployment_for(self, endpoint: Document, wanted: str | None) -> Document:
        known = {deployment["name"]: deployment for deployment in self._deployments.of(endpoint["name"])}
        if wanted is not None:
            if wanted not in known:
                raise not_found(f"The deployment {wanted} of the online endpoint {endpoint['name']}")
            return known[wanted]
        shares = {name: share for name, share in endpoint["properties"]["traffic"].items() if share > 0}
        if not shares:
            raise Refusal(
                404,
                "NotFound",
                f"No deployment of the online endpoint {endpoint['name']} gets any traffic: set their shares, or name"
                " one in the header azureml-model-deployment.",
            )
        routed = self._routed.setdefault(endpoint["name"].lower(), Counter())
        # The deployment furthest below its share is next, so that every hundred requests are shared exactly.
        name = max(shares, key=lambda name: shares[name] * (routed.total() + 1) - 100 * routed[name])
        routed[name] += 1
        return known[name]

    def _check_traffic(self, name: str, traffic: dict[str, int]) -> None:
        known = {deployment["name"] for deployment in self._deployments.of(name)}
        unknown = [deployment for deployment, share in traffic.items() if share > 0 and deployment not in known]
        if unknown:
            raise bad_argument(f"The online endpoint {name} has no deployment {', '.join(unknown)} to lead to.")
        if sum(traffic.values()) not in (0, 100):
            raise bad_argument(f"The shares of the traffic must add up to 100, or to 0: {traffic}.")

    def _described(self, endpoint: Document) -> Document:
        names = self._names
        address = f"https://{endpoint['name'].lower()}.{names.endpoint_domain}"
        properties = endpoint["properties"] | {
            "scoringUri": f"{address}/score",
            "swaggerUri": f"{address}/swagger.json",
            "provisioningState": "Succeeded",
            "properties": endpoint["properties"].get("properties") or {},
            "mirrorTraffic": {},
            "publicNetworkAccess": endpoint["properties"].get("publicNetworkAccess") or "Enabled",
        }
        times = {"created": endpoint["created"], "modified": endpoint["modified"]}
        return self._resource(f"onlineEndpoints/{endpoint['name']}", properties, **times) | {
            "location": names.region,
            "tags": endpoint["tags"],
            "identity": endpoint["identity"] | {"principalId": names.client, "tenantId": names.tenant},
            "kind": "Managed",
        }


def _model_error(status: int) -> dict[str, str]:
    return {"ms-azureml-model-error-statuscode": str(status), "ms-azureml-model-error-reason": "model_error"}


def _new_key() -> str:
    return secrets.token_urlsafe(24)
