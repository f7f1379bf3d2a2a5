//! The configuration of a local Altinn.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use testbed::clock::Clock;

use crate::app::App;
use crate::load::LoadError;
use crate::register::Register;

/// The configuration of a local Altinn.
#[derive(Debug)]
pub struct Config {
    /// The address to listen on. Default: a free port of 127.0.0.1.
    pub address: SocketAddr,
    /// The URL by which clients reach this server, if it is not the address. It is used in the issuer, in metadata documents and in links,
    /// and is needed behind a proxy.
    pub public_url: Option<String>,
    /// The apps.
    pub apps: Vec<App>,
    /// The parties.
    pub register: Register,
    /// The clock.
    pub clock: Clock,
    /// The seed of all random choices.
    pub seed: u64,
    /// Timing of Events.
    pub events: EventSettings,
    /// The domain of the environment in the sources of events: `https://{org}.apps.{domain}/…`.
    pub domain: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            public_url: None,
            apps: Vec::new(),
            register: Register::default(),
            clock: Clock::default(),
            seed: 0,
            events: EventSettings::default(),
            domain: "local.altinn.cloud".to_owned(),
        }
    }
}

impl Config {
    /// Reads the apps (`{org}/{app}/…`) and the register (`register.yaml`) of a folder.
    ///
    /// # Errors
    /// When something in the folder cannot be read; the error names file and field.
    pub fn from_folder(folder: &Path) -> Result<Self, LoadError> {
        let (apps, register) = (
            App::load_all(folder)?,
            Register::load(&folder.join("register.yaml"))?,
        );
        Ok(Self {
            apps,
            register,
            ..Self::default()
        })
    }
}

/// The timing of Events. The defaults are those of the real Events.
#[derive(Clone, Debug)]
pub struct EventSettings {
    /// How long subscription lookups are cached. Meanwhile a new subscription may miss events, and a deleted one may still get them.
    pub subscription_cache: Duration,
    /// Factor on every pause before a retry of a delivery or a validation. The pauses follow the clock.
    pub retry_scale: f64,
    /// How long a delivery waits for its response.
    pub timeout: Duration,
    /// The longest random delay of a delivery, so that deliveries are not in order.
    pub disorder: Duration,
    /// Whether `http://127.0.0.1` is accepted as an endpoint. The real Events accepts https only.
    pub allow_local_http: bool,
}

impl Default for EventSettings {
    fn default() -> Self {
        Self {
            subscription_cache: Duration::from_secs(3600),
            retry_scale: 1.0,
            timeout: Duration::from_secs(45),
            disorder: Duration::from_millis(20),
            allow_local_http: true,
        }
    }
}
