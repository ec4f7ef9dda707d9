"""Online endpoints: an address each, keys to it, and the shares of its deployments in what comes in."""

import re
import secrets
import time
from collections import Counter

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnistlib.testing.azureml.answers import Refusal, error_body, not_found, now
from mnistlib.testing.azureml.endpoints.deployments import NAME, Deployments
from mnistlib.testing.azureml.endpoints.scoring import EntryError, ScoringError
from mnistlib.testing.azureml.environments.builds import ImageBuildError
from mnistlib.testing.azureml.resource import ROOM, AnyCaseRoute, listing, resource
from mnistlib.testing.azureml.state import State
from mnistlib.testing.azureml.store import Document
from mnistlib.testing.azureml.tokens import LIFETIME

_BEARER = re.compile(r"bearer\s+(?P<token>\S+)", re.IGNORECASE)


class Endpoints:
    """Endpoints by name, in any case: a name is part of an address."""

    def __init__(self, state: State, deployments: Deployments) -> None:
        self._state = state
        self._store = state.store
        self._deployments = deployments
        self._led: dict[str, Counter[str]] = {}

    def routes(self) -> list[Route]:
        """Return the room's routes."""
        one = f"{ROOM}/onlineEndpoints/{{endpoint}}"
        return [
            AnyCaseRoute(f"{ROOM}/onlineEndpoints", self.list_all),
            AnyCaseRoute(one, self.get),
            AnyCaseRoute(one, self.put, methods=["PUT"]),
            AnyCaseRoute(one, self.delete, methods=["DELETE"]),
            AnyCaseRoute(f"{one}/listKeys", self.keys, methods=["POST"]),
            AnyCaseRoute(f"{one}/regenerateKeys", self.new_key, methods=["POST"]),
            AnyCaseRoute(f"{one}/token", self.token, methods=["POST"]),
            Route("/endpoint/{endpoint}/score", self.score, methods=["POST"]),
        ]

    async def list_all(self, request: Request) -> Response:
        """List all endpoints."""
        return listing([self._described(endpoint) for endpoint in self._store.all("online_endpoint")])

    async def get(self, request: Request) -> Response:
        """Describe an endpoint."""
        return JSONResponse(self._described(self._find(request)))

    async def put(self, request: Request) -> Response:
        """Make an endpoint, or change how its traffic is shared and what is said of it."""
        name, body = request.path_params["endpoint"], await request.json()
        properties = body["properties"]
        if not NAME.fullmatch(name):
            raise Refusal(400, "BadArgument", f"{name!r} is no name for an endpoint: 3 to 32 letters, digits, hyphens.")
        if properties.get("compute") or properties.get("mirrorTraffic"):
            raise Refusal(501, "NotImplemented", "the emulator covers managed endpoints only, without mirrored traffic")
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
        self._led.pop(name.lower(), None)
        self._store.put("online_endpoint", name.lower(), endpoint)
        return JSONResponse(self._described(endpoint), 200 if known else 201)

    async def delete(self, request: Request) -> Response:
        """Delete an endpoint with its deployments, and end their processes."""
        name = request.path_params["endpoint"]
        if not self._store.delete("online_endpoint", name.lower()):
            return Response(status_code=204)
        for deployment in self._deployments.of(name):
            await run_in_threadpool(self._deployments.remove, deployment)
        return Response(status_code=200)

    async def keys(self, request: Request) -> Response:
        """Return the endpoint's keys."""
        return JSONResponse(self._find(request)["keys"])

    async def new_key(self, request: Request) -> Response:
        """Replace one of the endpoint's keys; the SDK sends the old one along, which is not what anybody wants."""
        endpoint, wanted = self._find(request), await request.json()
        endpoint["keys"] |= {f"{wanted['keyType'].lower()}Key": _new_key()}
        self._store.put("online_endpoint", endpoint["name"].lower(), endpoint)
        return Response(status_code=200)

    async def token(self, request: Request) -> Response:
        """Return a token that opens the endpoint for a while."""
        name, expires = self._find(request)["name"], int(time.time() + LIFETIME)
        facts = {"expiryTimeUtc": expires, "refreshAfterTimeUtc": expires - LIFETIME // 2, "tokenType": "Bearer"}
        return JSONResponse({"accessToken": self._state.tokens.issue(endpoint=name), **facts})

    async def score(self, request: Request) -> Response:
        """Ask one of the endpoint's deployments: the one of the header, else by the shares of the traffic."""
        endpoint = self._find(request)
        if not self._may_ask(endpoint, request.headers.get("authorization", "")):
            return JSONResponse(error_body("Unauthorized", "The endpoint's key or token is missing or wrong."), 401)
        deployment = self._deployment_for(endpoint, request.headers.get("azureml-model-deployment"))
        data = await request.body()
        try:
            answer = await run_in_threadpool(self._deployments.scorer(deployment).score, data)
        except EntryError as error:
            return JSONResponse({"message": str(error)}, 424, headers=_model_error(500))
        except (ScoringError, ImageBuildError) as error:
            return JSONResponse({"message": str(error)}, 424, headers=_model_error(502))
        headers = answer.headers | {"azureml-model-deployment": deployment["name"]}
        if answer.status != 200:  # whatever the script says: Azure's clients see that it was the model
            return Response(answer.body, 424, headers | _model_error(answer.status))
        return Response(answer.body, 200, headers)

    def _may_ask(self, endpoint: Document, header: str) -> bool:
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
        led = self._led.setdefault(endpoint["name"].lower(), Counter())
        # Whoever has got least of its share is next: every hundred requests are shared exactly as they should be.
        name = max(shares, key=lambda name: shares[name] * (led.total() + 1) - 100 * led[name])
        led[name] += 1
        return known[name]

    def _check_traffic(self, name: str, traffic: dict[str, int]) -> None:
        known = {deployment["name"] for deployment in self._deployments.of(name)}
        unknown = [deployment for deployment, share in traffic.items() if share > 0 and deployment not in known]
        if unknown:
            raise Refusal(
                400, "BadArgument", f"The online endpoint {name} has no deployment {', '.join(unknown)} to lead to."
            )
        if sum(traffic.values()) not in (0, 100):
            raise Refusal(400, "BadArgument", f"The shares of the traffic must add up to 100, or to 0: {traffic}.")

    def _find(self, request: Request) -> Document:
        endpoint = self._store.get("online_endpoint", request.path_params["endpoint"].lower())
        if endpoint is None:
            raise not_found(f"The online endpoint {request.path_params['endpoint']}")
        return endpoint

    def _described(self, endpoint: Document) -> Document:
        names = self._state.names
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
        return resource(names, f"onlineEndpoints/{endpoint['name']}", properties, **times) | {
            "location": names.region,
            "tags": endpoint["tags"],
            "identity": endpoint["identity"] | {"principalId": names.client, "tenantId": names.tenant},
            "kind": "Managed",
        }


def _model_error(status: int) -> dict[str, str]:
    return {"ms-azureml-model-error-statuscode": str(status), "ms-azureml-model-error-reason": "model_error"}


def _new_key() -> str:
    return secrets.token_urlsafe(24)
