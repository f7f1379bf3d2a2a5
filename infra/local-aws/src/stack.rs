//! What Stafett's template says about its table and queues, and how to make them so.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types as dynamodb;
use aws_sdk_sqs::types::QueueAttributeName;
use aws_types::SdkConfig;
use serde::Deserialize;
use serde_json::{Value, json};

use super::template::{Template, TemplateError, Values};
use super::{ACCOUNT, Error, REGION};

/// The table and the queues, as the template sets them up.
///
/// A test may change a field before the stack is made, to wait two seconds instead of thirty
/// minutes for a message to come back.
#[derive(Clone, Debug)]
pub struct Stack {
    /// The ledger.
    pub table: Table,
    /// The queue of relays.
    pub queue: Queue,
    /// Where the queue moves what has been received too often.
    pub dead_letter_queue: Queue,
}

/// A DynamoDB table's settings.
#[derive(Clone, Debug)]
pub struct Table {
    /// Key attributes with their scalar types, in the template's order.
    pub attributes: Vec<(String, String)>,
    /// Key attributes with their key types (`HASH`, `RANGE`).
    pub keys: Vec<(String, String)>,
    /// The table's global secondary indexes.
    pub indexes: Vec<Index>,
    /// The attribute that holds the time, in seconds since 1970, after which an item goes.
    pub time_to_live: Option<String>,
}

/// A global secondary index's settings.
#[derive(Clone, Debug)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Key attributes with their key types (`HASH`, `RANGE`).
    pub keys: Vec<(String, String)>,
    /// What of an item is in it: `ALL`, `KEYS_ONLY` or `INCLUDE`.
    pub projection: String,
    /// The attributes beside the keys, where the projection is `INCLUDE`.
    pub attributes: Vec<String>,
}

/// An SQS queue's settings.
#[derive(Clone, Debug)]
pub struct Queue {
    /// How long a received message stays hidden.
    pub visibility_timeout: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// Receives after which a message is moved to the dead-letter queue.
    pub max_receive_count: Option<u32>,
}

impl Stack {
    /// The stack of Stafett's own template.
    ///
    /// # Errors
    ///
    /// A template that has a setting the local AWS does not know how to follow.
    pub fn stafett() -> Result<Self, TemplateError> {
        Self::from_template(&Template::stafett()?)
    }

    /// The stack of a template with the resources `Ledger`, `Queue` and `DeadLetterQueue`.
    ///
    /// # Errors
    ///
    /// A missing resource, or a setting that the local AWS does not know how to follow.
    pub fn from_template(template: &Template) -> Result<Self, TemplateError> {
        let mut values = Values::default();
        for id in ["Queue", "DeadLetterQueue"] {
            values.resources.insert(format!("{id}.Arn"), id.to_owned());
        }
        let table: TableProperties = template.properties("Ledger", &values)?;
        let queue = |id| {
            let properties: QueueProperties = template.properties(id, &values)?;
            Ok::<_, TemplateError>(Queue {
                visibility_timeout: Duration::from_secs(properties.visibility_timeout),
                retention: Duration::from_secs(properties.message_retention_period),
                max_receive_count: properties.redrive_policy.map(|it| it.max_receive_count),
            })
        };
        Ok(Self {
            table: Table {
                attributes: table
                    .attribute_definitions
                    .into_iter()
                    .map(|it| (it.attribute_name, it.attribute_type))
                    .collect(),
                keys: keys(table.key_schema),
                indexes: table
                    .global_secondary_indexes
                    .into_iter()
                    .map(|it| Index {
                        name: it.index_name,
                        keys: keys(it.key_schema),
                        projection: it.projection.projection_type,
                        attributes: it.projection.non_key_attributes,
                    })
                    .collect(),
                time_to_live: table
                    .time_to_live_specification
                    .filter(|it| it.enabled)
                    .map(|it| it.attribute_name),
            },
            queue: queue("Queue")?,
            dead_letter_queue: queue("DeadLetterQueue")?,
        })
    }

    /// Makes the table and the queues behind `config`, their names starting with `prefix`.
    ///
    /// # Errors
    ///
    /// A service that cannot be reached or refuses.
    pub async fn create(&self, config: &SdkConfig, prefix: &str) -> Result<Resources, Error> {
        let dynamodb = aws_sdk_dynamodb::Client::new(config);
        let sqs = aws_sdk_sqs::Client::new(config);
        let table = format!("{prefix}-Ledger");
        self.table.create(&dynamodb, &table).await?;
        let dead_letter_queue = self
            .dead_letter_queue
            .create(&sqs, &format!("{prefix}-DeadLetterQueue"), None)
            .await?;
        let queue = self
            .queue
            .create(
                &sqs,
                &format!("{prefix}-Queue"),
                Some(&dead_letter_queue.arn),
            )
            .await?;
        Ok(Resources {
            table,
            queue,
            dead_letter_queue,
        })
    }
}

impl Table {
    async fn create(&self, client: &aws_sdk_dynamodb::Client, name: &str) -> Result<(), Error> {
        let failed = |source: aws_sdk_dynamodb::Error| Error::Create {
            what: format!("table {name}"),
            source: source.into(),
        };
        let mut request = client
            .create_table()
            .table_name(name)
            .billing_mode(dynamodb::BillingMode::PayPerRequest);
        for (attribute, kind) in &self.attributes {
            request = request.attribute_definitions(
                dynamodb::AttributeDefinition::builder()
                    .attribute_name(attribute)
                    .attribute_type(kind.as_str().into())
                    .build()
                    .map_err(|source| failed(source.into()))?,
            );
        }
        request = request.set_key_schema(Some(
            key_schema(&self.keys).map_err(|source| failed(source.into()))?,
        ));
        for index in &self.indexes {
            let built = index.build().map_err(|source| failed(source.into()))?;
            request = request.global_secondary_indexes(built);
        }
        request
            .send()
            .await
            .map_err(|source| failed(source.into()))?;
        if let Some(attribute) = &self.time_to_live {
            client
                .update_time_to_live()
                .table_name(name)
                .time_to_live_specification(
                    dynamodb::TimeToLiveSpecification::builder()
                        .attribute_name(attribute)
                        .enabled(true)
                        .build()
                        .map_err(|source| failed(source.into()))?,
                )
                .send()
                .await
                .map_err(|source| failed(source.into()))?;
        }
        Ok(())
    }
}

impl Index {
    fn build(&self) -> Result<dynamodb::GlobalSecondaryIndex, BuildError> {
        let projection = dynamodb::Projection::builder()
            .projection_type(self.projection.as_str().into())
            .set_non_key_attributes((!self.attributes.is_empty()).then(|| self.attributes.clone()))
            .build();
        dynamodb::GlobalSecondaryIndex::builder()
            .index_name(&self.name)
            .set_key_schema(Some(key_schema(&self.keys)?))
            .projection(projection)
            .build()
    }
}

fn key_schema(keys: &[(String, String)]) -> Result<Vec<dynamodb::KeySchemaElement>, BuildError> {
    keys.iter()
        .map(|(attribute, kind)| {
            dynamodb::KeySchemaElement::builder()
                .attribute_name(attribute)
                .key_type(kind.as_str().into())
                .build()
        })
        .collect()
}

impl Queue {
    async fn create(
        &self,
        client: &aws_sdk_sqs::Client,
        name: &str,
        dead_letter_arn: Option<&str>,
    ) -> Result<QueueId, Error> {
        let failed = |source: aws_sdk_sqs::Error| Error::Create {
            what: format!("queue {name}"),
            source: source.into(),
        };
        let mut attributes = HashMap::from([
            (
                QueueAttributeName::VisibilityTimeout,
                self.visibility_timeout.as_secs().to_string(),
            ),
            (
                QueueAttributeName::MessageRetentionPeriod,
                self.retention.as_secs().to_string(),
            ),
        ]);
        if let (Some(arn), Some(count)) = (dead_letter_arn, self.max_receive_count) {
            attributes.insert(
                QueueAttributeName::RedrivePolicy,
                json!({ "deadLetterTargetArn": arn, "maxReceiveCount": count }).to_string(),
            );
        }
        let created = client
            .create_queue()
            .queue_name(name)
            .set_attributes(Some(attributes))
            .send()
            .await
            .map_err(|source| failed(source.into()))?;
        let url = created.queue_url.unwrap_or_default();
        let described = client
            .get_queue_attributes()
            .queue_url(&url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .map_err(|source| failed(source.into()))?;
        let arn = described
            .attributes
            .and_then(|mut it| it.remove(&QueueAttributeName::QueueArn))
            .unwrap_or_default();
        Ok(QueueId { url, arn })
    }
}

/// The made resources' names.
#[derive(Clone, Debug)]
pub struct Resources {
    /// The ledger's table name.
    pub table: String,
    /// The queue of relays.
    pub queue: QueueId,
    /// The dead-letter queue.
    pub dead_letter_queue: QueueId,
}

/// A queue's address and name.
#[derive(Clone, Debug)]
pub struct QueueId {
    /// The URL that SQS calls take. Only its path tells the queue: a call goes to the client's own
    /// endpoint, so the URL also holds behind a [`Wire`](testbed::wire::Wire).
    pub url: String,
    /// The Amazon Resource Name.
    pub arn: String,
}

impl Resources {
    /// These resources as values for the template's references.
    #[must_use]
    pub fn values(&self) -> Values {
        let mut values = Values::default();
        let mut set = |key: &str, value: &str| {
            values.resources.insert(key.to_owned(), value.to_owned());
        };
        set("Ledger", &self.table);
        set(
            "Ledger.Arn",
            &format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{}", self.table),
        );
        set("Queue", &self.queue.url);
        set("Queue.Arn", &self.queue.arn);
        set("DeadLetterQueue", &self.dead_letter_queue.url);
        set("DeadLetterQueue.Arn", &self.dead_letter_queue.arn);
        set(
            "EventsSecret",
            &format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:stafett-EventsSecret"),
        );
        values
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TableProperties {
    attribute_definitions: Vec<AttributeDefinition>,
    key_schema: Vec<KeySchemaElement>,
    #[serde(default)]
    global_secondary_indexes: Vec<IndexProperties>,
    time_to_live_specification: Option<TimeToLive>,
    // Care for the data of a deployed table; a table in memory has none.
    #[serde(rename = "BillingMode")]
    _billing_mode: Value,
    #[serde(rename = "DeletionProtectionEnabled")]
    _deletion_protection: Value,
    #[serde(rename = "PointInTimeRecoverySpecification")]
    _point_in_time_recovery: Value,
    #[serde(rename = "SSESpecification")]
    _encryption: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct AttributeDefinition {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct KeySchemaElement {
    attribute_name: String,
    key_type: String,
}

fn keys(schema: Vec<KeySchemaElement>) -> Vec<(String, String)> {
    schema
        .into_iter()
        .map(|it| (it.attribute_name, it.key_type))
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct IndexProperties {
    index_name: String,
    key_schema: Vec<KeySchemaElement>,
    projection: Projection,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Projection {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TimeToLive {
    attribute_name: String,
    enabled: bool,
}

/// Defaults are SQS's own: 30 seconds, 4 days.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct QueueProperties {
    #[serde(default = "thirty_seconds")]
    visibility_timeout: u64,
    #[serde(default = "four_days")]
    message_retention_period: u64,
    redrive_policy: Option<RedrivePolicy>,
    // What is in memory only is not encrypted.
    #[serde(rename = "SqsManagedSseEnabled")]
    _encryption: Option<Value>,
    #[serde(rename = "KmsMasterKeyId")]
    _key: Option<Value>,
}

fn thirty_seconds() -> u64 {
    30
}

fn four_days() -> u64 {
    4 * 24 * 60 * 60
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RedrivePolicy {
    #[serde(rename = "deadLetterTargetArn")]
    _dead_letter_target_arn: String,
    max_receive_count: u32,
}
