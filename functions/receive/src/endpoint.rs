//! Which call it is. The path alone decides this, before anything else of the request is read.

use lambda_http::{Request, RequestExt, http::Method, request::RequestContext};
use stafett_core::id::InstanceId;

use crate::{problem_details::ProblemDetails, secret::EventsSecret};

/// One of the API's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Triggers,
    Events,
    /// The relays of this A instance; none where the path holds no instance id.
    Relays(Option<InstanceId>),
    Health,
    /// Any other path, which includes the events path with a wrong secret.
    Elsewhere,
}

impl Endpoint {
    pub(crate) fn of(request: &Request, secret: &EventsSecret) -> Self {
        let path = matched_path(request).unwrap_or(request.uri().path());
        let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
        let segments = [(); 4].map(|()| segments.next());
        let parameters = request.path_parameters_ref();
        let given = |name| parameters.and_then(|named| named.first(name));
        match segments {
            [Some("triggers"), None, ..] => Self::Triggers,
            [Some("health"), None, ..] => Self::Health,
            [Some("events"), Some(segment), None, _] => {
                if secret.matches(given("secret").unwrap_or(segment)) {
                    Self::Events
                } else {
                    Self::Elsewhere
                }
            }
            [Some("relays"), Some(party), Some(guid), None] => {
                let party = given("party").unwrap_or(party);
                let guid = given("guid").unwrap_or(guid);
                Self::Relays(format!("{party}/{guid}").parse().ok())
            }
            _ => Self::Elsewhere,
        }
    }

    /// The name in the log. The path itself may hold the secret and is never logged.
    pub(crate) fn route_key(self) -> &'static str {
        match self {
            Self::Triggers => "POST /triggers",
            Self::Events => "POST /events/{secret}",
            Self::Relays(_) => "GET /relays/{party}/{guid}",
            Self::Health => "GET /health",
            Self::Elsewhere => "elsewhere",
        }
    }

    pub(crate) fn check_method(self, method: &Method) -> Result<(), ProblemDetails> {
        let allowed = match self {
            Self::Triggers | Self::Events => Method::POST,
            Self::Relays(_) | Self::Health => Method::GET,
            Self::Elsewhere => return Ok(()),
        };
        if *method == allowed {
            Ok(())
        } else {
            Err(ProblemDetails::Method { allowed })
        }
    }
}

/// The path of the API Gateway route that matched, such as `/events/{secret}`. Unlike the path of the request it has no
/// stage and no base path of a custom domain in front. None for the route `$default`, and for events of another kind.
fn matched_path(request: &Request) -> Option<&str> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => {
            let (_method, path) = context.route_key.as_deref()?.split_once(' ')?;
            Some(path)
        }
        // There are other kinds only where another crate of the build enables more events of `lambda_http`.
        #[allow(unreachable_patterns)]
        _ => None,
    }
}
