"""Compares a deployed stack with its template."""

import json
import re

import boto3
from samtranslator.yaml_helper import yaml_parse

ACCOUNT, REGION = "000000000000", "eu-north-1"
NOTHING = "AWS::NoValue"

# Properties that no AWS call returns in the form of the template.
NOT_READABLE = {
    "AWS::ApiGatewayV2::Api": {"Body", "FailOnWarnings"},
    "AWS::CloudFormation::Stack": {"TemplateURL"},
    "AWS::Lambda::Function": {"Code", "Tags"},
    "AWS::Lambda::LayerVersion": {"Content"},
    "AWS::SecretsManager::Secret": {"GenerateSecretString"},
}


def client(service, **credentials):
    return boto3.client(service, region_name=REGION, **credentials)


class Stack:
    """A deployed stack: the properties that its template asks for, and those that the services return."""

    def __init__(self, name, given):
        formation = client("cloudformation")
        template = formation.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
        template = yaml_parse(template) if isinstance(template, str) else template
        self.resources = template["Resources"]
        self.conditions = template.get("Conditions", {})
        self.parameters = {name: str(it.get("Default")) for name, it in template["Parameters"].items()} | given
        self.name = formation.describe_stacks(StackName=name)["Stacks"][0]["StackName"]
        made = formation.describe_stack_resources(StackName=name)["StackResources"]
        self.ids = {it["LogicalResourceId"]: it["PhysicalResourceId"] for it in made}

    def of_type(self, kind):
        return [name for name, resource in self.resources.items() if resource["Type"] == kind]

    def reference(self, name):
        if name in self.of_type("AWS::SecretsManager::Secret"):
            return client("secretsmanager").describe_secret(SecretId=self.ids[name])["ARN"]
        pseudo = {
            "AWS::AccountId": ACCOUNT, "AWS::NoValue": NOTHING, "AWS::Partition": "aws", "AWS::Region": REGION,
            "AWS::StackName": self.name, "AWS::URLSuffix": "amazonaws.com",
        }
        return next(names[name] for names in (pseudo, self.parameters, self.ids) if name in names)

    def attribute(self, name, attribute):
        """The name of a resource, or its ARN in the form of AWS's service authorization reference."""
        short = self.ids[name].rsplit("/", 1)[-1]
        if attribute == "QueueName":
            return short
        if attribute != "Arn":
            raise ValueError(f"{name}.{attribute}: teach {__file__} this attribute")
        form = {
            "AWS::DynamoDB::Table": f"dynamodb:{REGION}:{ACCOUNT}:table/{short}",
            "AWS::IAM::Role": f"iam::{ACCOUNT}:role/{short}",
            "AWS::Lambda::Function": f"lambda:{REGION}:{ACCOUNT}:function:{short}",
            "AWS::Logs::LogGroup": f"logs:{REGION}:{ACCOUNT}:log-group:{self.ids[name]}:*",
            "AWS::SQS::Queue": f"sqs:{REGION}:{ACCOUNT}:{short}",
        }
        return "arn:aws:" + form[self.resources[name]["Type"]]

    def holds(self, condition):
        match condition:
            case {"Condition": name}:
                return self.holds(self.conditions[name])
            case {"Fn::Equals": [one, other]}:
                return self.value(one) == self.value(other)
            case {"Fn::Not": [other]}:
                return not self.holds(other)
            case {"Fn::And": all_of}:
                return all(self.holds(it) for it in all_of)
            case {"Fn::Or": one_of}:
                return any(self.holds(it) for it in one_of)
        raise ValueError(f"{condition}: teach {__file__} this condition")

    def substituted(self, text, values):
        def value(match):
            name, _, attribute = match[1].partition(".")
            if name in values:
                return str(self.value(values[name]))
            return self.attribute(name, attribute) if attribute else str(self.reference(name))

        return re.sub(r"\$\{([^!][^}]*)\}", value, text).replace("${!", "${")

    def value(self, said):
        """A value of the template with its intrinsic functions evaluated."""
        match said:
            case {"Ref": name}:
                return self.reference(name)
            case {"Fn::GetAtt": [name, attribute]}:
                return self.attribute(name, attribute)
            case {"Fn::Sub": [text, values]}:
                return self.substituted(text, values)
            case {"Fn::Sub": text}:
                return self.substituted(text, {})
            case {"Fn::If": [condition, yes, no]}:
                return self.value(yes if self.holds(self.conditions[condition]) else no)
            case dict():
                if any(key.startswith("Fn::") for key in said):
                    raise ValueError(f"{said}: teach {__file__} this function")
                entries = {key: self.value(value) for key, value in said.items()}
                return {key: value for key, value in entries.items() if value != NOTHING}
            case list():
                return [value for value in map(self.value, said) if value != NOTHING]
        return said

    def told(self, name):
        """The properties that the service returns for a resource, in the form of the template."""
        kind, id = self.resources[name]["Type"], self.ids[name]
        properties = self.resources[name].get("Properties", {})
        match kind:
            case "AWS::ApiGatewayV2::Api":
                return client("apigatewayv2").get_api(ApiId=id)
            case "AWS::ApiGatewayV2::Stage":
                return client("apigatewayv2").get_stage(ApiId=self.value(properties["ApiId"]), StageName=id) | {
                    "ApiId": self.value(properties["ApiId"])
                }
            case "AWS::CloudFormation::Stack":
                described = client("cloudformation").describe_stacks(StackName=id)["Stacks"][0]
                given = {it["ParameterKey"]: it["ParameterValue"] for it in described["Parameters"]}
                return {"Parameters": given}
            case "AWS::CloudWatch::Alarm":
                return client("cloudwatch").describe_alarms(AlarmNames=[id])["MetricAlarms"][0]
            case "AWS::CloudWatch::Dashboard":
                return client("cloudwatch").get_dashboard(DashboardName=id)
            case "AWS::DynamoDB::Table":
                database = client("dynamodb")
                table = database.describe_table(TableName=id)["Table"]
                expiry = database.describe_time_to_live(TableName=id)["TimeToLiveDescription"]
                backups = database.describe_continuous_backups(TableName=id)["ContinuousBackupsDescription"]
                recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
                return table | {
                    "BillingMode": table["BillingModeSummary"]["BillingMode"],
                    "TimeToLiveSpecification": {
                        "AttributeName": expiry.get("AttributeName"),
                        "Enabled": expiry["TimeToLiveStatus"] == "ENABLED",
                    },
                    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": recovery == "ENABLED"},
                    "SSESpecification": {"SSEEnabled": table.get("SSEDescription", {}).get("Status") == "ENABLED"},
                }
            case "AWS::IAM::Role":
                iam = client("iam")
                names = iam.list_role_policies(RoleName=id)["PolicyNames"]
                return iam.get_role(RoleName=id)["Role"] | {
                    "Policies": [iam.get_role_policy(RoleName=id, PolicyName=policy) for policy in names]
                }
            case "AWS::Lambda::EventInvokeConfig":
                function, qualifier = id.split(":")
                told = client("lambda").get_function_event_invoke_config(FunctionName=function, Qualifier=qualifier)
                return told | {"FunctionName": function, "Qualifier": qualifier}
            case "AWS::Lambda::EventSourceMapping":
                told = client("lambda").get_event_source_mapping(UUID=id)
                return told | {"FunctionName": told["FunctionArn"].rsplit(":", 1)[-1]}
            case "AWS::Lambda::Function":
                told = client("lambda").get_function_configuration(FunctionName=id)
                return told | {"Layers": [layer["Arn"] for layer in told["Layers"]]}
            case "AWS::Lambda::LayerVersion":
                told = client("lambda").get_layer_version_by_arn(Arn=id)
                return told | {"LayerName": told["LayerArn"].rsplit(":", 1)[-1]}
            case "AWS::Lambda::Permission":
                function = self.value(properties["FunctionName"])
                policy = json.loads(client("lambda").get_policy(FunctionName=function)["Policy"])
                statement = next(it for it in policy["Statement"] if it["Sid"] == id)
                return {
                    "Action": statement["Action"],
                    "FunctionName": statement["Resource"].rsplit(":", 1)[-1],
                    "Principal": statement["Principal"]["Service"],
                    "SourceArn": statement["Condition"]["ArnLike"]["AWS:SourceArn"],
                }
            case "AWS::Logs::LogGroup":
                groups = client("logs").describe_log_groups(logGroupNamePrefix=id)["logGroups"]
                return {"RetentionInDays": next(it for it in groups if it["logGroupName"] == id).get("retentionInDays")}
            case "AWS::SNS::Subscription":
                told = client("sns").list_subscriptions_by_topic(TopicArn=self.value(properties["TopicArn"]))
                endpoint = self.value(properties["Endpoint"])
                return next(it for it in told["Subscriptions"] if it["Endpoint"] == endpoint)
            case "AWS::SNS::Topic":
                return client("sns").get_topic_attributes(TopicArn=id)["Attributes"]
            case "AWS::SQS::Queue":
                told = client("sqs").get_queue_attributes(QueueUrl=id, AttributeNames=["All"])["Attributes"]
                return told | {"RedrivePolicy": json.loads(told.get("RedrivePolicy", "{}"))}
            case "AWS::Scheduler::Schedule":
                return client("scheduler").get_schedule(Name=id)
            case "AWS::SecretsManager::Secret":
                return client("secretsmanager").describe_secret(SecretId=id)
        raise ValueError(f"{name}: teach {__file__} how {kind} is read back")


def alike(said, told):
    """Whether two values are equal, however a service writes numbers and booleans."""
    said, told = str(said).lower(), str(told).lower()
    try:
        return said == told or float(said) == float(told)
    except ValueError:
        return False


def differences(place, said, told):
    """The places where `told` lacks something that `said` asks for. Properties that only the service has are ignored."""
    if isinstance(said, dict) and isinstance(told, dict):
        for key, value in said.items():
            if key in told:
                yield from differences(f"{place}.{key}", value, told[key])
            else:
                yield f"{place}.{key}"
    elif isinstance(said, list) and isinstance(told, list):
        for number, value in enumerate(said):
            if any(not list(differences("", value, it)) for it in told):
                continue
            same_place = told[number] if len(told) == len(said) else None
            yield from differences(f"{place}.{number}", value, same_place)
    elif not alike(said, told):
        yield place


def gaps(stack, place=""):
    """The names of all properties that the template asks for and the emulator lacks, nested stacks included."""
    for name, resource in stack.resources.items():
        if "Condition" in resource and not stack.holds({"Condition": resource["Condition"]}):
            continue
        kind = resource["Type"]
        said = stack.value(resource.get("Properties", {}))
        said = {key: value for key, value in said.items() if key not in NOT_READABLE.get(kind, ())}
        yield from differences(f"{place}{name}", said, stack.told(name))
        if kind == "AWS::CloudFormation::Stack":
            yield from gaps(Stack(stack.ids[name], said.get("Parameters", {})), f"{place}{name}.")
