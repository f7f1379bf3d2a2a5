"""Deploys the built SAM application to a MiniStack and reports what the emulator did not create of the template.

Usage: deploy.py BUILT_TEMPLATE WORK_DIRECTORY [--again], with AWS_ENDPOINT_URL and credentials in the environment. Writes
WORK_DIRECTORY/deployed.json for the test target `deployed`. With --again the stack that is described there is deleted
first, and the new one is given the ledger that it leaves behind. What the emulator lacks is made up for here, outside of
the template, and every such gap has its name in KNOWN_GAPS: one that is new fails the check, and so does one that is gone.
"""

import io
import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

from botocore.exceptions import ClientError
from stack import REGION, Stack, client, gaps

ROOT = Path(__file__).resolve().parent.parent
ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
STACK = "stafett"
CLIENT_ID = "6f1a8d0e-2a77-4ac1-9a55-cc2b6a2f7d11"

# The parameters that the owner of an installation passes to the template.
PARAMETERS = {
    "Architecture": "x86_64",
    "MaskinportenClientId": CLIENT_ID,
    "TriggerScope": "ttd:stafett.trigger",
    "TriggerConsumers": "405003309",
}

# The known gaps of the emulator: what it does not create of the template, and the consequence or the repair made here.
KNOWN_GAPS = {
    "Api.Body": "no route is created; created here from the same document",
    "ApiApiGatewayDefaultStage.DefaultRouteSettings.ThrottlingBurstLimit": "calls are not throttled",
    "ApiApiGatewayDefaultStage.DefaultRouteSettings.ThrottlingRateLimit": "calls are not throttled",
    "ApiLogs": "no call is logged",
    "EventsSecret.GenerateSecretString": "punctuation is not excluded; replaced here by a secret without any",
    "InstantiateRelays.ScalingConfig.MaximumConcurrency": "a number from a parameter is stored as text; set as a number here",
    "Ledger.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled": "no backups",
    "Ledger.SSESpecification.SSEEnabled": "not encrypted under a key of KMS",
    "Ledger.TimeToLiveSpecification.AttributeName": "items do not expire",
    "Ledger.TimeToLiveSpecification.Enabled": "items do not expire",
    "Receive.Environment.Variables.EVENTS_SECRET_ARN": "Ref of a secret is its name; set to its ARN here",
    "ReceiveLogs: embedded metrics": "no metric is extracted from a log line",
    "ReceiveRole.Policies.0.PolicyDocument.Statement.2.Resource": "Ref of a secret is its name; set to its ARN here",
    "ReconcileRole: dynamodb get_item": "the condition dynamodb:LeadingKeys is not evaluated",
    "RedriveRole: dynamodb put_item": "the condition dynamodb:LeadingKeys is not evaluated",
    "RedriveRole: sqs delete_message_batch": "batch calls need their own actions; added to the policies here",
    "Routes": "a layer is not mounted under /opt; unpacked here, and STAFETT_ROUTES set to its path",
}


def deploy(template, given):
    """Runs `sam deploy` with these parameters as the owner of an installation does."""
    overrides = [f"{name}={value}" for name, value in given.items()]
    subprocess.run(
        ["sam", "deploy", "--template-file", template, "--stack-name", STACK, "--region", REGION, "--resolve-s3"]
        + ["--capabilities", "CAPABILITY_IAM", "--no-progressbar", "--parameter-overrides", *overrides],
        check=True,
        cwd=ROOT,
    )
    return Stack(STACK, given)


def make_jwk_secret():
    keys = json.loads((ROOT / "infra/local-altinn/src/development-keys.json").read_text())
    secret = client("secretsmanager").create_secret(Name="jwk", SecretString=json.dumps(keys["client"]["jwk"]))
    return secret["ARN"]


def delete_but_for_the_ledger(deployed):
    """Deletes the stack, and checks that of its queue and its table only the table is left."""
    formation = client("cloudformation")
    formation.delete_stack(StackName=STACK)
    formation.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    try:
        client("sqs").get_queue_attributes(QueueUrl=deployed["queue"])
        sys.exit("The queue outlives its stack.")
    except ClientError as error:
        if "NonExistentQueue" not in error.response["Error"]["Code"]:
            raise
    client("dynamodb").describe_table(TableName=deployed["table"])


def ledger(stack):
    """The table that the stack made, or that it was given."""
    return stack.ids.get("Ledger") or stack.parameters["LedgerTable"]


def suspend_schedules(stack):
    """Disables the schedule, which may not invoke a function before the test has set the address of its Altinn."""
    scheduler = client("scheduler")
    for name in stack.of_type("AWS::Scheduler::Schedule"):
        told = scheduler.get_schedule(Name=stack.ids[name])
        kept = ("Name", "Description", "FlexibleTimeWindow", "ScheduleExpression", "Target")
        scheduler.update_schedule(State="DISABLED", **{key: told[key] for key in kept})


def repair_routes(stack):
    """Creates the routes that API Gateway would create from the API's document."""
    (api,) = stack.of_type("AWS::ApiGatewayV2::Api")
    gateway, id = client("apigatewayv2"), stack.ids[api]
    wanted = {}
    for path, methods in stack.value(stack.resources[api]["Properties"]["Body"])["paths"].items():
        for method, operation in methods.items():
            method = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            wanted[f"{method} {path}"] = operation["x-amazon-apigateway-integration"]
    lacking = wanted.keys() - {route["RouteKey"] for route in gateway.get_routes(ApiId=id)["Items"]}
    for key in lacking:
        integration = gateway.create_integration(
            ApiId=id,
            IntegrationType=wanted[key]["type"].upper(),
            IntegrationUri=wanted[key]["uri"],
            PayloadFormatVersion=wanted[key]["payloadFormatVersion"],
        )
        gateway.create_route(ApiId=id, RouteKey=key, Target=f"integrations/{integration['IntegrationId']}")
    if lacking:
        yield f"{api}.Body"


def repair_policies(stack):
    """Rewrites the policies with the ARNs of secrets, and with the batch actions that SQS's permissions imply."""
    nothing = {"QueueUrl": stack.ids["DeadLetterQueue"], "Entries": [{"Id": "0", "ReceiptHandle": "none"}]}
    if refused(stack, "RedriveRole", "sqs", "delete_message_batch", **nothing):
        yield "RedriveRole: sqs delete_message_batch"
    batched = {"sqs:SendMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}
    for role in stack.of_type("AWS::IAM::Role"):
        for policy in stack.value(stack.resources[role]["Properties"]["Policies"]):
            document = policy["PolicyDocument"]
            for statement in document["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                statement["Action"] = actions + [f"{action}Batch" for action in actions if action in batched]
            client("iam").put_role_policy(
                RoleName=stack.ids[role], PolicyName=policy["PolicyName"], PolicyDocument=json.dumps(document)
            )


def set_environment(stack, function, **changes):
    """Sets the variables of the template, with the ARNs of secrets and with these changes."""
    variables = stack.value(stack.resources[function]["Properties"]["Environment"]["Variables"])
    client("lambda").update_function_configuration(
        FunctionName=stack.ids[function], Environment={"Variables": variables | changes}
    )


def repair_scaling(stack):
    """Sets the concurrency as a number: with a text, the emulator does not read the queue."""
    (mapping,) = stack.of_type("AWS::Lambda::EventSourceMapping")
    functions, id = client("lambda"), stack.ids[mapping]
    # Read without boto3, which would convert the text to a number.
    scope = f"{os.environ['AWS_ACCESS_KEY_ID']}/20261122/{REGION}/lambda/aws4_request"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}
    request = urllib.request.Request(f"{ENDPOINT}/2015-03-31/event-source-mappings/{id}", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        concurrency = json.load(answer)["ScalingConfig"]["MaximumConcurrency"]
    functions.update_event_source_mapping(UUID=id, ScalingConfig={"MaximumConcurrency": int(concurrency)})
    if isinstance(concurrency, str):
        yield f"{mapping}.ScalingConfig.MaximumConcurrency"


def starts(stack, function):
    """Whether a function starts and receives an event. All functions reject this event or ignore it."""
    answer = client("lambda").invoke(FunctionName=stack.ids[function], Payload=b'{"Records":[]}')
    problem = json.loads(answer["Payload"].read() or b"null")
    return not str((problem or {}).get("errorType", "")).startswith("Runtime.")


def repair_layer(stack, opt):
    """Unpacks the deployed layer and points the functions to its files; none starts without them."""
    (layer,) = stack.of_type("AWS::Lambda::LayerVersion")
    functions = stack.of_type("AWS::Lambda::Function")
    for function in functions:
        set_environment(stack, function)
    if not starts(stack, "Redrive"):
        yield "Routes"
    told = client("lambda").get_layer_version_by_arn(Arn=stack.ids[layer])
    with urllib.request.urlopen(told["Content"]["Location"], timeout=30) as answer:
        zipfile.ZipFile(io.BytesIO(answer.read())).extractall(opt)
    for function in functions:
        set_environment(stack, function, STAFETT_ROUTES=str(opt / "routes"))
        if not starts(stack, function):
            sys.exit(f"{function} does not start with the settings of the template.")


def repair_events_secret(stack):
    """Stores a secret such as the template asks Secrets Manager to generate."""
    manager, id = client("secretsmanager"), stack.ids["EventsSecret"]
    if not re.fullmatch(r"[0-9A-Za-z]{48}", manager.get_secret_value(SecretId=id)["SecretString"]):
        manager.put_secret_value(SecretId=id, SecretString=secrets.token_hex(24))
        yield "EventsSecret.GenerateSecretString"


def refused(stack, role, service, call, **arguments):
    """Whether a call with this role is denied."""
    session = client("sts").assume_role(RoleArn=stack.attribute(role, "Arn"), RoleSessionName="trespasser")
    trespasser = client(
        service,
        aws_access_key_id=session["Credentials"]["AccessKeyId"],
        aws_secret_access_key=session["Credentials"]["SecretAccessKey"],
        aws_session_token=session["Credentials"]["SessionToken"],
    )
    try:
        getattr(trespasser, call)(**arguments)
    except ClientError as error:
        return "AccessDenied" in error.response["Error"]["Code"]
    return False


def excess_rights(stack):
    """Names the calls that a role can make although its policy does not allow them."""
    queue, dead, table = stack.ids["Queue"], stack.ids["DeadLetterQueue"], ledger(stack)
    key = {"pk": {"S": "3f8d2c1e-7a54-4b0e-9c51-0d6f2b9a1e77"}, "sk": {"S": "permit-to-casework"}}
    secret = stack.parameters["MaskinportenJwkSecretArn"]
    attempts = [
        ("ReceiveRole", "sqs", "receive_message", {"QueueUrl": queue}),
        ("ReceiveRole", "dynamodb", "get_item", {"TableName": table, "Key": key}),
        ("ReceiveRole", "secretsmanager", "get_secret_value", {"SecretId": secret}),
        ("InstantiateRole", "dynamodb", "delete_item", {"TableName": table, "Key": key}),
        ("InstantiateRole", "sqs", "send_message", {"QueueUrl": queue, "MessageBody": "none"}),
        ("ReconcileRole", "sqs", "receive_message", {"QueueUrl": queue}),
        ("ReconcileRole", "dynamodb", "delete_item", {"TableName": table, "Key": key}),
        ("ReconcileRole", "dynamodb", "get_item", {"TableName": table, "Key": key}),
        ("RedriveRole", "sqs", "receive_message", {"QueueUrl": queue}),
        ("RedriveRole", "sqs", "send_message", {"QueueUrl": dead, "MessageBody": "none"}),
        ("RedriveRole", "dynamodb", "put_item", {"TableName": table, "Item": key}),
        ("RedriveRole", "secretsmanager", "get_secret_value", {"SecretId": stack.ids["EventsSecret"]}),
    ]
    for role, service, call, arguments in attempts:
        if not refused(stack, role, service, call, **arguments):
            yield f"{role}: {service} {call}"
    client("dynamodb").delete_item(TableName=table, Key=key)


def address(stack):
    (api,) = stack.of_type("AWS::ApiGatewayV2::Api")
    return f"{ENDPOINT}/_aws/execute-api/{stack.ids[api]}/$default"


def missing_telemetry(stack):
    """Names the missing telemetry: the API's access log, and CloudWatch metrics from log lines (embedded metric format)."""
    logs = client("logs")
    urllib.request.urlopen(f"{address(stack)}/health", timeout=60).close()
    if not logs.describe_log_streams(logGroupName=stack.ids["ApiLogs"])["logStreams"]:
        yield "ApiLogs"
    now = int(time.time() * 1000)
    directive = {"Namespace": "Probe", "Dimensions": [[]], "Metrics": [{"Name": "Probed"}]}
    line = json.dumps({"_aws": {"Timestamp": now, "CloudWatchMetrics": [directive]}, "Probed": 1})
    where = {"logGroupName": stack.ids["ReceiveLogs"], "logStreamName": "probe"}
    logs.create_log_stream(**where)
    logs.put_log_events(**where, logEvents=[{"timestamp": now, "message": line}])
    logs.delete_log_stream(**where)
    if not client("cloudwatch").list_metrics(Namespace="Probe")["Metrics"]:
        yield "ReceiveLogs: embedded metrics"


def print_sizes(stack):
    print("\nSizes of the zips, quickly built:")
    for function in stack.of_type("AWS::Lambda::Function"):
        size = client("lambda").get_function_configuration(FunctionName=stack.ids[function])["CodeSize"]
        print(f"  {function}: {size / 1e6:.1f} MB")


def report(stack, found):
    """Prints the gaps; returns whether they are exactly the known ones."""
    known = {name for name in KNOWN_GAPS if "Ledger" in stack.ids or not name.startswith("Ledger.")}
    print(f"\n{len(found)} parts of the template that the emulator lacks:")
    for name in sorted(found):
        print(f"  {name}: {KNOWN_GAPS.get(name, 'NEW')}")
    for name in sorted(known - found):
        print(f"  {name}: no longer lacking: remove it from KNOWN_GAPS")
    return found == known


def describe(stack, template, work):
    """Writes the description of the deployment for the tests."""
    secret = client("secretsmanager").get_secret_value(SecretId=stack.ids["EventsSecret"])
    deployed = {
        "api": address(stack),
        "clientId": CLIENT_ID,
        "deadLetterQueue": stack.ids["DeadLetterQueue"],
        "endpoint": ENDPOINT,
        "eventsSecret": secret["SecretString"],
        "functions": {name: stack.ids[name] for name in stack.of_type("AWS::Lambda::Function")},
        "jwkSecret": stack.parameters["MaskinportenJwkSecretArn"],
        "queue": stack.ids["Queue"],
        "region": REGION,
        "replace": [sys.executable, "-B", str(Path(__file__).resolve()), str(template), str(work), "--again"],
        "schedules": {name: stack.ids[name] for name in stack.of_type("AWS::Scheduler::Schedule")},
        "table": ledger(stack),
    }
    (work / "deployed.json").write_text(json.dumps(deployed, indent=2))


def main(template, work, again):
    if again:
        deployed = json.loads((work / "deployed.json").read_text())
        delete_but_for_the_ledger(deployed)
        given = {"MaskinportenJwkSecretArn": deployed["jwkSecret"], "LedgerTable": deployed["table"]}
    else:
        given = {"MaskinportenJwkSecretArn": make_jwk_secret()}
    stack = deploy(template, PARAMETERS | given)
    suspend_schedules(stack)
    print_sizes(stack)
    found = set(gaps(stack))
    found.update(repair_routes(stack))
    found.update(repair_policies(stack))
    found.update(repair_scaling(stack))
    found.update(repair_events_secret(stack))
    found.update(repair_layer(stack, work / "opt"))
    found.update(excess_rights(stack))
    found.update(missing_telemetry(stack))
    describe(stack, template, work)
    return report(stack, found)


if __name__ == "__main__":
    is_known = main(Path(sys.argv[1]), Path(sys.argv[2]), "--again" in sys.argv[3:])
    sys.exit(0 if is_known else "The gaps of the emulator are not the known ones.")
