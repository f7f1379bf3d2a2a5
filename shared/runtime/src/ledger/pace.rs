//! What the containers share of the pace to a B app: the state of its breaker, and a rate to begin with.

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use stafett_core::{id::AppId, pace::BreakerState};
use uuid::Uuid;

use super::{
    Ledger,
    error::{LedgerError, Operation},
    item::key,
    notes::NOTES,
};

/// What is kept of a B app.
#[derive(Debug, Clone, PartialEq)]
pub struct PaceNote {
    /// The state of its breaker.
    pub state: BreakerState,
    /// The rate that a container found out, in B per second.
    pub rate: Option<f64>,
    /// As it is stored: a write names the text that it replaces.
    text: String,
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq)]
pub enum PaceKept {
    /// Written.
    Written(PaceNote),
    /// Another container wrote first: this, or nothing.
    Conflict(Option<PaceNote>),
}

/// The form in which it is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text {
    /// Milliseconds since 1970; none while the breaker is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet_until: Option<i64>,
    #[serde(default)]
    probing: bool,
    #[serde(default)]
    times: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    /// Tells two writes of the same state apart.
    by: Uuid,
}

impl PaceNote {
    /// Reads what is stored. What another version has kept counts as a closed breaker, and is written over.
    fn read(text: String) -> Self {
        let kept: Option<Text> = serde_json::from_str(&text).ok();
        let open = kept.as_ref().and_then(|kept| {
            Some(BreakerState::Open {
                quiet_until: Timestamp::from_millisecond(kept.quiet_until?).ok()?,
                probing: kept.probing,
                times: kept.times,
            })
        });
        Self {
            state: open.unwrap_or_default(),
            rate: kept.and_then(|kept| kept.rate),
            text,
        }
    }
}

fn written(state: BreakerState, rate: Option<f64>) -> Text {
    let (quiet_until, probing, times) = match state {
        BreakerState::Closed => (None, false, 0),
        BreakerState::Open {
            quiet_until,
            probing,
            times,
        } => (Some(quiet_until), probing, times),
    };
    Text {
        quiet_until: quiet_until.map(Timestamp::as_millisecond),
        probing,
        times,
        rate,
        by: Uuid::new_v4(),
    }
}

impl Ledger {
    /// What is kept of a B app, if anything is.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn pace(&self, app: &AppId) -> Result<Option<PaceNote>, LedgerError> {
        let text = self.noted(&name(app)).await?;
        Ok(text.map(PaceNote::read))
    }

    /// Keeps the state of a B app's breaker and a rate, if the ledger still has what it `replaces`.
    ///
    /// # Errors
    /// [`LedgerError`]. The write may have had its effect.
    pub async fn keep_pace(
        &self,
        app: &AppId,
        replaces: Option<&PaceNote>,
        state: BreakerState,
        rate: Option<f64>,
    ) -> Result<PaceKept, LedgerError> {
        let operation = || Operation::WriteNote(name(app));
        let text = serde_json::to_string(&written(state, rate))
            .map_err(|error| operation().refused(error))?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(key(NOTES, &name(app))))
            .item("note", AttributeValue::S(text.clone()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match replaces {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(old) => put
                .condition_expression("note = :old")
                .expression_attribute_values(":old", AttributeValue::S(old.text.clone())),
        };
        let seen = match put.send().await {
            Ok(_) => Some(text.clone()),
            Err(SdkError::ServiceError(refusal))
                if refusal.err().is_conditional_check_failed_exception() =>
            {
                text_of(refusal.into_err())
            }
            Err(error) => return Err(operation().refused(error)),
        };
        let note = seen.map(PaceNote::read);
        Ok(match note {
            // The SDK repeats a call whose answer was lost, and then finds its own write.
            Some(note) if note.text == text => PaceKept::Written(note),
            note => PaceKept::Conflict(note),
        })
    }
}

fn text_of(refusal: PutItemError) -> Option<String> {
    let PutItemError::ConditionalCheckFailedException(failed) = refusal else {
        return None;
    };
    match failed.item?.remove("note")? {
        AttributeValue::S(text) => Some(text),
        _ => None,
    }
}

/// The name of the note of a B app. A route's own notes begin with its name, which has no colon.
fn name(app: &AppId) -> String {
    format!("pace:{app}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back() {
        let open = BreakerState::Open {
            quiet_until: Timestamp::from_second(1_800_000_000).unwrap(),
            probing: true,
            times: 3,
        };
        for (state, rate) in [(BreakerState::Closed, None), (open, Some(2.5))] {
            let text = serde_json::to_string(&written(state, rate)).unwrap();
            let note = PaceNote::read(text);
            assert_eq!((note.state, note.rate), (state, rate));
        }
        let other = PaceNote::read("of another version".to_owned());
        assert_eq!((other.state, other.rate), (BreakerState::Closed, None));
    }
}
