//! What the function is asked for: all routes, one route, or only a count.

use serde_json::Value;
use stafett_core::{id::RouteName, route::Routes};
use thiserror::Error;

/// What is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Action {
    /// A run.
    #[default]
    Run,
    /// How far the ledger is.
    Status,
    /// To note that no ledger came before this one.
    FirstLedger,
}

impl Action {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "status" => Some(Self::Status),
            "first-ledger" => Some(Self::FirstLedger),
            _ => None,
        }
    }
}

/// A request that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// What is asked for.
    pub(crate) action: Action,
    /// The one route to look after; all routes if none.
    pub(crate) route: Option<RouteName>,
    /// Count, but enqueue nothing and keep no position.
    pub(crate) dry_run: bool,
}

/// An event that is not a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Not a JSON object.
    #[error(
        "the event is not an object; allowed is {{}} or {{\"route\": \"permit-to-casework\", \"dryRun\": true}}"
    )]
    NotAnObject,
    /// A field that does not exist.
    #[error("the event has a field {0:?}; allowed are \"action\", \"route\" and \"dryRun\"")]
    UnknownField(String),
    /// A field with another type of value.
    #[error("the event's field \"{field}\" is not {expected}")]
    Malformed {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// No deployed route has this name.
    #[error("no deployed route is called \"{route}\"; deployed are {}", deployed.join(", "))]
    UnknownRoute {
        /// The name in the event.
        route: RouteName,
        /// The names of those that are deployed.
        deployed: Vec<String>,
    },
}

/// The longest name of an unknown field that is repeated.
const SHOWN: usize = 60;

impl Request {
    /// Reads an event.
    ///
    /// # Errors
    /// [`RequestError`], with the field and what is allowed.
    pub(crate) fn read(event: &Value, routes: &Routes) -> Result<Self, RequestError> {
        let fields = event.as_object().ok_or(RequestError::NotAnObject)?;
        let mut request = Self {
            action: Action::Run,
            route: None,
            dry_run: false,
        };
        for (name, value) in fields {
            match name.as_str() {
                "action" => {
                    let action = value.as_str().and_then(Action::parse);
                    request.action = action.ok_or(RequestError::Malformed {
                        field: "action",
                        expected: "\"status\" or \"first-ledger\"; without it, reconcile runs",
                    })?;
                }
                "route" => {
                    let name = value.as_str().and_then(|text| text.parse().ok());
                    let name: RouteName = name.ok_or(RequestError::Malformed {
                        field: "route",
                        expected: "the name of a route, such as \"permit-to-casework\"",
                    })?;
                    if routes.get(&name).is_none() {
                        return Err(RequestError::UnknownRoute {
                            route: name,
                            deployed: routes.iter().map(|it| it.name.to_string()).collect(),
                        });
                    }
                    request.route = Some(name);
                }
                "dryRun" => {
                    request.dry_run = value.as_bool().ok_or(RequestError::Malformed {
                        field: "dryRun",
                        expected: "true or false",
                    })?;
                }
                unknown => {
                    return Err(RequestError::UnknownField(
                        unknown.chars().take(SHOWN).collect(),
                    ));
                }
            }
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn routes() -> Routes {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/routes");
        Routes::load(&samples).unwrap()
    }

    fn refused(event: Value) -> String {
        Request::read(&event, &routes()).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_event_asks_for_every_route() {
        let request = Request::read(&json!({}), &routes()).unwrap();
        assert_eq!(
            request,
            Request {
                action: Action::Run,
                route: None,
                dry_run: false
            }
        );
    }

    #[test]
    fn one_route_can_be_asked_for_as_a_dry_run() {
        let event = json!({"route": "permit-to-casework", "dryRun": true});
        let request = Request::read(&event, &routes()).unwrap();
        assert_eq!(request.route.unwrap().as_str(), "permit-to-casework");
        assert!(request.dry_run);
    }

    #[test]
    fn a_refusal_names_what_is_wrong_and_what_is_allowed() {
        for event in [json!(null), json!([]), json!("{}"), json!(1)] {
            assert!(refused(event).contains("allowed is {}"));
        }
        assert_eq!(
            refused(json!({"dryrun": true})),
            "the event has a field \"dryrun\"; allowed are \"action\", \"route\" and \"dryRun\""
        );
        assert_eq!(
            refused(json!({"dryRun": "yes"})),
            "the event's field \"dryRun\" is not true or false"
        );
        for route in [json!(7), json!(null), json!("Permit to casework")] {
            assert!(refused(json!({"route": route})).contains("\"route\" is not the name"));
        }
        assert_eq!(
            refused(json!({"route": "permit-to-archive"})),
            "no deployed route is called \"permit-to-archive\"; deployed are \
             estate-to-inheritance, permit-to-casework"
        );
    }

    #[test]
    fn an_operator_may_ask_for_the_status_or_note_that_this_is_the_first_ledger() {
        for (text, action) in [
            ("status", Action::Status),
            ("first-ledger", Action::FirstLedger),
        ] {
            let request = Request::read(&json!({"action": text}), &routes()).unwrap();
            assert_eq!(request.action, action);
        }
        for action in [json!("run"), json!(1), json!(null)] {
            assert!(refused(json!({"action": action})).contains("\"status\" or \"first-ledger\""));
        }
    }

    #[test]
    fn a_long_field_name_is_cut() {
        assert!(refused(json!({"x".repeat(10_000): 1})).len() < 200);
    }
}
