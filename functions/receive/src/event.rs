//! The event that API Gateway hands over, before it becomes a request.

use lambda_http::{
    http::header::{HOST, HeaderName},
    request::LambdaRequest,
};

/// Where the library looks for the scheme of the request's address.
const SCHEME: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Takes away what callers write and no call of ours needs: a query and a host. The library makes one
/// address of them all, and panics where that is none (aws/aws-lambda-rust-runtime:
/// lambda-http/src/request.rs, `into_api_gateway_v2_request`).
pub fn strip(event: &mut LambdaRequest) {
    // Another kind only where another crate of the build asks lambda_http for more of them.
    #[allow(irrefutable_let_patterns)]
    if let LambdaRequest::ApiGatewayV2(request) = event {
        request.raw_query_string = None;
        request.query_string_parameters = Default::default();
        request.headers.remove(HOST);
        request.headers.remove(SCHEME);
    }
}
