//! Where the configuration objects come from, and what happens when they change.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, mpsc};

use ixn_configuration::{Configuration, ConfigurationFile, Problems};
use ixn_engine::compile::Compiler;
use ixn_engine::{Engine, Input};
use prometheus::IntGauge;
use tokio_util::sync::CancellationToken;

use crate::driver::Message;

/// Where the configuration comes from, and which is in force.
pub(crate) struct ConfigurationSource {
    in_force: Arc<Configuration>,
    /// Read again when it changes; none for the built-in sample.
    file: Option<ConfigurationFile>,
}

impl ConfigurationSource {
    /// Reads the file, or the built-in sample when there is none.
    pub(crate) async fn read(path: Option<&Path>) -> Result<Self, Problems> {
        let file = match path {
            Some(path) => Some(ConfigurationFile::open(path).await?),
            None => None,
        };
        let in_force = match &file {
            Some(file) => file.current(),
            None => Arc::new(Configuration::sample()?),
        };
        Ok(Self { in_force, file })
    }

    /// The configuration that was read first.
    pub(crate) fn in_force(&self) -> Arc<Configuration> {
        Arc::clone(&self.in_force)
    }

    /// Tells the engine of every change. A broken file changes nothing; it is logged, and `valid` is 0 until it is mended.
    pub(crate) async fn follow(
        mut self,
        mut compiler: Compiler,
        driver: mpsc::Sender<Message>,
        valid: IntGauge,
        stopped: CancellationToken,
    ) {
        let Some(file) = self.file.take() else { return };
        let mut readings = file.readings();
        loop {
            tokio::select! {
                () = stopped.cancelled() => return,
                changed = readings.changed() => if changed.is_err() { return },
            }
            let reading = Arc::clone(&readings.borrow_and_update());
            valid.set(i64::from(reading.is_ok()));
            match &*reading {
                Ok(configuration) if *configuration == self.in_force => {
                    tracing::info!("the configuration file was written again; nothing in it has changed");
                }
                Ok(configuration) => {
                    let changed = Arc::clone(configuration);
                    let compiled = tokio::task::spawn_blocking(move || {
                        let compiled = compiler.compile(&changed);
                        (compiler, compiled)
                    });
                    let Ok((again, compiled)) = compiled.await else { return };
                    compiler = again;
                    match compiled {
                        Ok(compiled) => {
                            tracing::info!("the configuration file has changed and comes into force");
                            self.in_force = Arc::clone(configuration);
                            let configured = Input::Configured(Box::new(compiled));
                            if driver.send(Message::Input(configured)).is_err() {
                                return;
                            }
                        }
                        Err(error) => {
                            valid.set(0);
                            tracing::error!(%error, "the new configuration cannot be used; the old one stays");
                        }
                    }
                }
                Err(problems) => {
                    tracing::error!(%problems, "the configuration file cannot be used; the old one stays");
                }
            }
        }
    }
}

/// What interactions refer to although it is no longer configured, and how many do.
#[derive(Debug, Default)]
pub(crate) struct Retired {
    queues: BTreeMap<Arc<str>, u64>,
    media_types: BTreeMap<Arc<str>, u64>,
}

impl Retired {
    pub(crate) fn of(engine: &Engine) -> Self {
        Self { queues: engine.retired_queues(), media_types: engine.retired_media_types() }
    }

    /// Warns of it, without what was so `before`.
    pub(crate) fn tell(&self, before: &Self) {
        for (queue, interactions) in &self.queues {
            if !before.queues.contains_key(queue) {
                tracing::warn!(
                    queue = &**queue,
                    interactions,
                    "the queue '{queue}' is no longer configured, and there are interactions in it: {interactions}. It is \
                     retired: nothing new comes in; move them, or configure it again"
                );
            }
        }
        for (media_type, interactions) in &self.media_types {
            if !before.media_types.contains_key(media_type) {
                tracing::warn!(
                    media_type = &**media_type,
                    interactions,
                    "the media type '{media_type}' is no longer configured, and there are interactions of it: \
                     {interactions}. They go on, without its handling-timeout; new ones are refused; configure it again if \
                     that is not meant"
                );
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
