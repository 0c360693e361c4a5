"""What Kubernetes' controllers make of objects: pods of StatefulSets, Deployments and Jobs, with their claims and names."""

import copy
from dataclasses import dataclass, field


@dataclass
class Placed:
    """A pod, the claims that are its own, and the names of the Services that lead to it."""

    pod: dict
    claims: list = field(default_factory=list)
    services: list = field(default_factory=list)

    @property
    def name(self):
        return self.pod["metadata"]["name"]


def place(objects):
    """Every pod that the controllers would start, in the order of their objects."""
    placed = [pod for thing in objects for pod in _pods(thing)]
    for service in (thing for thing in objects if thing["kind"] == "Service"):
        wanted = service["spec"]["selector"].items()
        for pod in placed:
            if wanted <= pod.pod["metadata"]["labels"].items():
                pod.services.append(service["metadata"]["name"])
                if pod.pod["spec"].get("subdomain") == service["metadata"]["name"]:
                    pod.services.append(f"{pod.name}.{service['metadata']['name']}")
    return placed


def _pods(thing):
    spec = thing["spec"] if "spec" in thing else {}
    match thing["kind"]:
        case "StatefulSet":
            first = spec.get("ordinals", {}).get("start", 0)
            return [_of_stateful_set(thing, first + index) for index in range(spec["replicas"])]
        case "Deployment":
            return [_pod(thing, index) for index in range(spec["replicas"])]
        case "Job":
            return [_pod(thing, index) for index in range(spec.get("parallelism", 1))]
    return []


def _pod(thing, index):
    template = copy.deepcopy(thing["spec"]["template"])
    template["metadata"]["name"] = f"{thing['metadata']['name']}-{index}"
    return Placed({"apiVersion": "v1", "kind": "Pod", **template})


def _of_stateful_set(thing, index):
    placed = _pod(thing, index)
    pod, spec = placed.pod, placed.pod["spec"]
    pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = str(index)
    spec["hostname"], spec["subdomain"] = placed.name, thing["spec"]["serviceName"]
    for template in thing["spec"].get("volumeClaimTemplates", []):
        volume = template["metadata"]["name"]
        claim = copy.deepcopy(template)
        claim["metadata"]["name"] = f"{volume}-{placed.name}"
        placed.claims.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim})
        source = {"claimName": claim["metadata"]["name"]}
        spec.setdefault("volumes", []).append({"name": volume, "persistentVolumeClaim": source})
    return placed
