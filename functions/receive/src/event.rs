//! The event that API Gateway sends, before `lambda_http` makes a request of it.

use lambda_http::{
    http::header::{HOST, HeaderName},
    request::LambdaRequest,
};

/// Where `lambda_http` looks for the scheme of the request's address.
const SCHEME: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Removes the query, the host and the scheme, which callers choose freely and no call of ours needs. `lambda_http`
/// builds an address from them, and panics where the result is not a valid one (aws/aws-lambda-rust-runtime:
/// lambda-http/src/request.rs, `into_api_gateway_v2_request`).
pub fn strip(event: &mut LambdaRequest) {
    // There are other kinds only where another crate of the build enables more events of `lambda_http`.
    #[allow(irrefutable_let_patterns)]
    if let LambdaRequest::ApiGatewayV2(request) = event {
        request.raw_query_string = None;
        request.query_string_parameters = Default::default();
        request.headers.remove(HOST);
        request.headers.remove(SCHEME);
    }
}
