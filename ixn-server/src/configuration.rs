//! Where the configuration objects come from, and what happens when they change.

use std::path::Path;
use std::sync::{Arc, mpsc};

use ixn_configuration::{Configuration, ConfigurationFile, Problems};
use ixn_engine::Input;
use tokio_util::sync::CancellationToken;

use crate::driver::Message;

/// The configuration in force, and where changes come from.
pub(crate) enum ConfigurationSource {
    /// The built-in sample, which never changes.
    Sample(Arc<Configuration>),
    /// A file, read again when it changes.
    File(ConfigurationFile),
}

impl ConfigurationSource {
    /// Reads the file, or the built-in sample when there is none.
    pub(crate) async fn read(path: Option<&Path>) -> Result<Self, Problems> {
        Ok(match path {
            Some(path) => Self::File(ConfigurationFile::open(path).await?),
            None => Self::Sample(Arc::new(Configuration::sample()?)),
        })
    }

    /// The configuration in force.
    pub(crate) fn current(&self) -> Arc<Configuration> {
        match self {
            Self::Sample(configuration) => Arc::clone(configuration),
            Self::File(file) => file.current(),
        }
    }

    /// Tells the engine of every change; a broken file changes nothing and is logged.
    pub(crate) async fn follow(self, driver: mpsc::Sender<Message>, stopped: CancellationToken) {
        let Self::File(file) = self else { return };
        let mut readings = file.readings();
        loop {
            tokio::select! {
                () = stopped.cancelled() => return,
                changed = readings.changed() => if changed.is_err() { return },
            }
            let reading = Arc::clone(&readings.borrow_and_update());
            match &*reading {
                Ok(configuration) => {
                    tracing::info!("the configuration file has changed and comes into force");
                    let configured = Input::Configured(Arc::clone(configuration));
                    if driver.send(Message::Input(configured)).is_err() {
                        return;
                    }
                }
                Err(problems) => {
                    tracing::error!(%problems, "the configuration file cannot be used; the old one stays");
                }
            }
        }
    }
}

/// How the welcome names it.
pub(crate) fn shown(path: Option<&Path>) -> String {
    match path {
        Some(path) => path.display().to_string(),
        None => {
            "built-in sample; copy it with `ixn-server sample-config >config.yaml` and pass --config".into()
        }
    }
}
