"""Makes the world of the configuration through moto's public wire API, without the network: parameters, the log group,
the launch template, a group for each node."""
import json
from urllib.parse import urlencode

from werkzeug.test import Client

from app import FORM, JSON, stamp


def build(config, moto):
    client = Client(moto)

    def query(service, action, **params):
        headers = {"Authorization": stamp("LAB", config, service)}
        return checked(action, client.post("/", data=urlencode(dict(params, Action=action)), headers=headers, content_type=FORM))

    def target(service, name, body):
        headers = {"Authorization": stamp("LAB", config, service), "X-Amz-Target": name}
        return checked(name, client.post("/", data=json.dumps(body), headers=headers, content_type=JSON))

    def checked(what, answer):
        text = answer.get_data(as_text=True)
        if answer.status_code != 200:
            raise SystemExit("%s: %s %s" % (what, answer.status_code, text[:500]))
        return text

    for parameter in config["parameters"]:
        target("ssm", "AmazonSSM.PutParameter", {"Name": parameter["name"], "Value": parameter["value"], "Type": parameter["type"]})
    target("logs", "Logs_20140328.CreateLogGroup", {"logGroupName": config["log_group"]})
    image = query("ec2", "RegisterImage", Name="nats-node", Architecture="arm64", RootDeviceName="/dev/xvda")
    image = image.partition("<imageId>")[2].partition("</imageId>")[0]
    template = config["cluster"] + "-node"
    query("ec2", "CreateLaunchTemplate", LaunchTemplateName=template, **{
        "LaunchTemplateData.InstanceType": "m8gd.medium", "LaunchTemplateData.ImageId": image})
    for node, zone in zip(config["nodes"], "abc"):
        query("autoscaling", "CreateAutoScalingGroup", AutoScalingGroupName=node["group"], MinSize=1, MaxSize=1, DesiredCapacity=1, **{
            "LaunchTemplate.LaunchTemplateName": template, "LaunchTemplate.Version": "$Latest", "DefaultInstanceWarmup": 120,
            "AvailabilityZones.member.1": config["region"] + zone, "Tags.member.1.Key": "Name", "Tags.member.1.Value": node["name"],
            "Tags.member.1.PropagateAtLaunch": "true", "Tags.member.1.ResourceId": node["group"],
            "Tags.member.1.ResourceType": "auto-scaling-group"})
