"""Which machines Systems Manager knows, and whether it hears of them: DescribeInstanceInformation, and the faults of it.
Machines are moto's instances in the lab's groups; commands are elsewhere."""
import time

from wire import AwsError

PAGE = 2  # small, so that whoever reads one page only is found out
HEARD, LOST = "Online", "ConnectionLost"
NOT_HONOURED = {"ActivationIds", "AgentVersion", "AssociationStatus", "IamRole", "SourceIds", "SourceTypes"}


def tags(instance):
    return {tag["key"]: tag["value"] for tag in instance.get_tags()}


class Agents:
    def __init__(self, config, groups):
        self.config, self.groups = config, groups
        self.nodes = {node["group"]: node for node in config["nodes"]}
        self.unregistered, self.lost = set(), {}

    # Faults.

    def unregister(self, body):
        self.unregistered.add(body["node"])

    def lose(self, body):
        """{node, after}: seconds until a command to it is given up, instead of the command's own."""
        self.lost[body["node"]] = body["after"]

    def clear(self):
        self.unregistered.clear()
        self.lost.clear()

    def view(self):
        return {"unregistered": sorted(self.unregistered), "lost": dict(self.lost)}

    # What is known.

    def all(self):
        """Instance, node and ping status of each machine that is registered; one that is gone is not."""
        with self.groups.lock:
            states = [(group, state) for group in self.groups.scaling.autoscaling_groups.values() for state in group.instance_states]
        for group, state in states:
            node, is_now = self.nodes[group.name], state.instance.state
            if is_now in ("running", "shutting-down") and node["name"] not in self.unregistered:
                heard = is_now == "running" and node["name"] not in self.lost
                yield state.instance, node, HEARD if heard else LOST

    def find(self, instance_id):
        """Node and ping status of a machine; nothing when commands to it are refused."""
        for instance, node, ping in self.all():
            if instance.id == instance_id and instance.state == "running":
                return node, ping
        return None, None

    def patience(self, instance_id):
        """Seconds until a command to a machine that is not heard of is given up, when the lab says so."""
        node, _ = self.find(instance_id)
        return node and self.lost.get(node["name"])

    def matching(self, targets):
        """The machines that all of a command's targets mean."""
        found = [instance for instance, _, _ in self.all() if instance.state == "running"]
        for target in targets:
            key, values = target.get("Key", ""), target.get("Values") or []
            if key != "InstanceIds" and not key.startswith("tag:"):
                raise AwsError("InvalidParameters", "the lab knows the target keys InstanceIds and tag:KEY, not '%s'" % key)
            found = [i for i in found if (i.id if key == "InstanceIds" else tags(i).get(key[4:])) in values]
        return [instance.id for instance in found]

    # For policies.

    def arn(self, instance_id):
        return "arn:aws:ec2:%s:%s:instance/%s" % (self.config["region"], self.config["account"], instance_id)

    def conditions(self, instance_id):
        """The condition keys of a machine, gone ones too: its tags."""
        of = next((tags(instance) for instance in self.groups.ec2.all_instances() if instance.id == instance_id), {})
        return {word + key: value for key, value in of.items() for word in ("ssm:resourceTag/", "aws:ResourceTag/")}

    def describe(self, request, call):
        params = request.params
        filters = [(f["Key"], f["Values"]) for f in params.get("Filters") or []]
        legacy = [(f["key"], f["valueSet"]) for f in params.get("InstanceInformationFilterList") or []]
        if filters and legacy:
            raise AwsError("ValidationException", "Filters and InstanceInformationFilterList cannot both be given")
        wanted = self.tests(filters or legacy)
        found = [self.shown(i, node, ping) for i, node, ping in self.all() if all(test(i, ping) for test in wanted)]
        start, most = self.place(params.get("NextToken"), found), min(params.get("MaxResults", 10), PAGE)
        answer = {"InstanceInformationList": found[start:start + most]}
        if start + most < len(found):
            answer["NextToken"] = str(start + most)
        return answer

    @staticmethod
    def place(token, found):
        if token is None:
            return 0
        if not token.isdigit() or int(token) >= len(found):
            raise AwsError("InvalidNextToken", "The specified token isn't valid.")
        return int(token)

    @staticmethod
    def tests(filters):
        of_tags = [key for key, _ in filters if key.startswith("tag")]
        if of_tags and len(of_tags) < len(filters):
            raise AwsError("InvalidFilterKey", "Tag filters can't be combined with other filter types.")
        return [predicate(key, values) for key, values in filters]

    def shown(self, instance, node, ping):
        return {
            "InstanceId": instance.id, "PingStatus": ping, "LastPingDateTime": time.time() - (0 if ping == HEARD else 600),
            "AgentVersion": "3.3.987.0", "IsLatestVersion": True, "PlatformType": "Linux", "PlatformName": "Amazon Linux",
            "PlatformVersion": "2023", "ResourceType": "EC2Instance", "IPAddress": instance.private_ip,
            "ComputerName": node["name"], "SourceId": instance.id, "SourceType": "AWS::EC2::Instance",
        }


def predicate(key, values):
    if key.startswith("tag:"):
        return lambda instance, ping: tags(instance).get(key[4:]) in values
    if key == "tag-key":
        return lambda instance, ping: any(name in values for name in tags(instance))
    if key == "PingStatus" and not set(values) <= {HEARD, LOST, "Inactive"}:
        raise AwsError("InvalidInstanceInformationFilterValue", "The specified filter value isn't valid.")
    of = {
        "InstanceIds": lambda instance, ping: instance.id, "PingStatus": lambda instance, ping: ping,
        "PlatformTypes": lambda instance, ping: "Linux", "ResourceType": lambda instance, ping: "EC2Instance",
    }.get(key)
    if of is None:
        raise AwsError("InvalidFilterKey", "the lab does not honour the filter key %s" % key if key in NOT_HONOURED
                       else "The specified key isn't valid.")
    return lambda instance, ping: of(instance, ping) in values
