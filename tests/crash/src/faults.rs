//! Making it go wrong, and making it right again.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use fastrand::Rng;
use ixn_tests::postgres::Postgres;
use ixn_tests::tcp_proxy::TcpProxy;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::time::{Instant, sleep};

use crate::configuration;
use crate::plan::Fault;
use crate::stage::{FENCED, READY_LIMIT, Stage, ready};

/// How long a sleeping server may take to notice that it is fenced.
const FENCE_LIMIT: Duration = Duration::from_secs(60);
/// How long a server may take to say what it thinks of a new configuration file.
const CONFIGURATION_LIMIT: Duration = Duration::from_secs(30);
/// How long a second server is given to become primary beside the first, which it must not.
const BESIDE: Duration = Duration::from_millis(1500);

/// Makes it go wrong once, and returns when all that was stopped is started again. The answer is what was done.
///
/// # Errors
/// A promise about servers is broken: one does not come back, two serve, or a fenced one does not end.
pub async fn strike(fault: Fault, stage: &mut Stage, random: &mut Rng) -> anyhow::Result<String> {
    match fault {
        Fault::Kill => {
            stage.server.process.kill();
            let away = pause(random, 300).await;
            // Some are killed once more while they take over.
            let again = random.u8(..3) == 0;
            if again {
                stage.server.process.restart();
                pause(random, 250).await;
                stage.server.process.kill();
            }
            stage.restart().await?;
            let once_more = if again { ", and once more while it started" } else { "" };
            Ok(format!("killed, started again after {away:?}{once_more}"))
        }
        Fault::PgKill | Fault::PgStop | Fault::PgImmediate => {
            // Sometimes the server dies with it and is there before it; or it is just taking over when it happens.
            let both = random.u8(..4) == 0;
            if both {
                stage.server.process.kill();
                if random.bool() {
                    stage.server.process.restart();
                    pause(random, 250).await;
                }
            }
            let (postgres, _) = stage.postgres()?;
            match fault {
                Fault::PgKill => postgres.kill().await,
                Fault::PgStop => postgres.stop().await,
                _ => postgres.stop_immediately().await,
            }
            if both && stage.server.process.exit_status().is_some() {
                stage.server.process.restart();
            }
            // Some longer than the time after which requests are refused.
            let away = if random.u8(..4) == 0 { pause(random, 8000).await } else { pause(random, 500).await };
            stage.postgres()?.0.restart().await;
            if both {
                stage.until_ready().await?;
            }
            Ok(format!("away for {away:?}{}", if both { ", the server killed with it" } else { "" }))
        }
        Fault::Cut => {
            let (_, network) = stage.postgres()?;
            let away = if random.bool() {
                network.cut();
                Duration::ZERO
            } else {
                network.refuse(true);
                network.cut();
                let away = pause(random, 3000).await;
                network.refuse(false);
                away
            };
            Ok(format!("cut, nothing came through for {away:?}"))
        }
        Fault::Freeze => {
            let (_, network) = stage.postgres()?;
            network.freeze(true);
            let away = pause(random, 12_000).await;
            let cut = random.bool();
            if cut {
                network.cut();
            }
            network.freeze(false);
            Ok(format!("frozen for {away:?}{}", if cut { ", then cut" } else { "" }))
        }
        Fault::DiskFull => disk_full(stage, random).await,
        Fault::PowerCut => power_cut(stage, random).await,
        Fault::Fence => fence(stage, random).await,
        Fault::TwoServers => two_servers(stage, random).await,
        Fault::Configuration => configure(stage, random).await,
    }
}

/// Up to so many milliseconds.
async fn pause(random: &mut Rng, at_most_milliseconds: u64) -> Duration {
    let time = Duration::from_millis(random.u64(..=at_most_milliseconds));
    sleep(time).await;
    time
}

async fn disk_full(stage: &mut Stage, random: &mut Rng) -> anyhow::Result<String> {
    stage.disk()?.fill().map_err(anyhow::Error::msg)?;
    let full = pause(random, 6000).await + Duration::from_secs(1);
    sleep(Duration::from_secs(1)).await;
    stage.disk()?.free().map_err(anyhow::Error::msg)?;
    let mut what = format!("full for {full:?}");
    if let Some((postgres, _)) = &mut stage.postgres
        && !answers(postgres).await
    {
        postgres.restart().await;
        what.push_str(", PostgreSQL had ended");
    }
    if let Some(status) = stage.server.process.exit_status() {
        // It may give up on a database that cannot be written; then its keeper starts it again.
        what.push_str(&format!(", the server had ended ({status})"));
        stage.restart().await?;
    }
    Ok(what)
}

/// Whether PostgreSQL takes connections within a time that a recovery takes.
async fn answers(postgres: &mut Postgres) -> bool {
    let give_up = Instant::now() + Duration::from_secs(20);
    let url = postgres.url();
    while postgres.server().exit_status().is_none() && Instant::now() < give_up {
        if PgConnection::connect(&url).await.is_ok() {
            return true;
        }
        sleep(Duration::from_millis(50)).await;
    }
    false
}

async fn power_cut(stage: &mut Stage, random: &mut Rng) -> anyhow::Result<String> {
    stage.disk()?.cut_power().map_err(anyhow::Error::msg)?;
    pause(random, 200).await;
    match &mut stage.postgres {
        Some((postgres, _)) => {
            postgres.kill().await;
        }
        None => {
            stage.server.process.kill();
        }
    }
    stage.disk()?.power_on().map_err(anyhow::Error::msg)?;
    if let Some((postgres, _)) = &mut stage.postgres {
        postgres.forget_running()?;
        postgres.restart().await;
        return Ok("power cut under PostgreSQL".to_owned());
    }
    stage.restart().await?;
    Ok("power cut under SQLite".to_owned())
}

/// A server that does not notice: it sleeps, or cannot reach the database while another can.
async fn fence(stage: &mut Stage, random: &mut Rng) -> anyhow::Result<String> {
    let asleep = random.bool();
    let (postgres, network) = stage.postgres()?;
    let other_network = TcpProxy::start(([127, 0, 0, 1], postgres.port()).into()).await;
    if asleep {
        stage.server.process.signal("STOP");
        // What a network that parts would do: the database no longer knows the first server's connections.
        let ended = "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'crash'";
        stage.postgres()?.0.connect().await.execute(ended).await?;
    } else {
        network.refuse(true);
        network.cut();
    }
    let network = std::mem::replace(&mut stage.postgres()?.1, other_network);
    let mut second = stage.second();
    ready(&mut second).await.context("the second server")?;
    // New connections go to the second; those of the first stay, to show what it still says.
    stage.front.lead_to(second.address);
    let mut first = std::mem::replace(&mut stage.server, second);
    pause(random, 2000).await;
    if asleep {
        first.process.signal("CONT");
    } else {
        network.refuse(false);
    }
    let give_up = Instant::now() + FENCE_LIMIT;
    let status = loop {
        if let Some(status) = first.process.exit_status() {
            break status;
        }
        if Instant::now() > give_up {
            bail!("the server that another took over from does not end:\n{}", first.process.log());
        }
        sleep(Duration::from_millis(10)).await;
    };
    ensure!(status.code() == Some(FENCED), "the fenced server ended with {status}:\n{}", first.process.log());
    let how = if asleep { "slept through a takeover" } else { "was parted from the database at a takeover" };
    Ok(format!("the first server {how}, and was fenced"))
}

async fn two_servers(stage: &mut Stage, random: &mut Rng) -> anyhow::Result<String> {
    let mut second = stage.second();
    let until = Instant::now() + BESIDE + Duration::from_millis(random.u64(..500));
    let mut waits = false;
    while Instant::now() < until || (!waits && Instant::now() < until + READY_LIMIT) {
        let log = second.process.log();
        waits |= log.contains("another server holds the database");
        ensure!(!log.contains("is ready"), "two servers serve one database; the second says\n{log}");
        if let Some(status) = second.process.exit_status() {
            bail!("the second server ended ({status}) instead of waiting:\n{log}");
        }
        sleep(Duration::from_millis(20)).await;
    }
    if let Some(status) = stage.server.process.exit_status() {
        bail!("the first server ended ({status}) when a second came:\n{}", stage.server.process.log());
    }
    stage.server.process.kill();
    stage.server = second;
    stage.until_ready().await.context("the second server, after the first was killed")?;
    Ok("a second server waited, and took over when the first was killed".to_owned())
}

async fn configure(stage: &mut Stage, random: &mut Rng) -> anyhow::Result<String> {
    let others = random.u32(2..=5);
    for _ in 0..others {
        replace_configuration(stage, &configuration::other(stage.agents, random)).await?;
        pause(random, 500).await;
    }
    let usual = configuration::usual(stage.agents);
    if random.u8(..3) == 0 {
        // What the last one left behind is in the database, and the next start knows only the usual one.
        stage.server.process.kill();
        stage.server.configure(&usual);
        stage.restart().await?;
        return Ok(format!("{others} other configurations, then killed and started with the usual one"));
    }
    replace_configuration(stage, &usual).await?;
    Ok(format!("{others} other configurations, then the usual one"))
}

/// Writes the file and waits until the server has said whether it takes it.
async fn replace_configuration(stage: &mut Stage, text: &str) -> anyhow::Result<()> {
    let said = |log: &str| log.lines().filter(|line| line.contains(" configuration file ")).count();
    let before = said(&stage.server.process.log());
    stage.server.configure(text);
    let give_up = Instant::now() + CONFIGURATION_LIMIT;
    loop {
        let log = stage.server.process.log();
        if said(&log) > before {
            return Ok(());
        }
        if let Some(status) = stage.server.process.exit_status() {
            bail!("the server ended ({status}) when its configuration changed:\n{log}");
        }
        if Instant::now() > give_up {
            bail!("the server does not look at its configuration file after {CONFIGURATION_LIMIT:?}:\n{log}");
        }
        sleep(Duration::from_millis(10)).await;
    }
}
