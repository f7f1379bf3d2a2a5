//! How long the calls to an AWS service may take.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};

/// How long the service may take to accept a connection. Its endpoints are in the same region.
const CONNECT: Duration = Duration::from_secs(1);

/// How long a call may take, and how often it is attempted.
pub(crate) struct Patience {
    /// The most attempts, the first included.
    pub(crate) attempts: u32,
    /// The longest that one attempt may take.
    pub(crate) attempt: Duration,
    /// The longest that the call may take, with all its attempts and the pauses between them.
    pub(crate) call: Duration,
}

impl Patience {
    /// The configuration `aws`, for a client with this patience.
    pub(crate) fn with(&self, aws: &SdkConfig) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.call)
            .build();
        aws.to_builder()
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(self.attempts))
            .build()
    }
}
