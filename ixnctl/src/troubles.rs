//! Tells on standard error while the server is away, refuses for now or says nothing, and when it is over: once each,
//! however often it happens within one bad time.

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use ixn_client::{Client, Trouble};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::arguments::Common;
use crate::output::Remarks;

/// How long all must be well before it is said: a server that comes back may go again at once.
const SETTLED: Duration = Duration::from_secs(2);
/// After how long without an answer it is said that there is none.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// That there has been no answer for [`SILENCE`].
pub(crate) fn silence(server: &str) -> String {
    format!("no answer from {server} for {SILENCE:?}: it or its database is busy or away; waiting")
}

/// Tells of one connection's troubles until it ends.
#[derive(Debug)]
pub(crate) struct Teller {
    waiting: Arc<Waiting>,
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Teller {
    /// Begins to tell, above the progress bar.
    pub(crate) fn new(common: &Common, client: &Client, bar: &ProgressBar) -> Self {
        let waiting = Arc::new(Waiting::default());
        let (end, ended) = oneshot::channel();
        let remarks = Remarks::new(common.output(), bar);
        let say = move |remark: String| remarks.say(&remark);
        let task =
            tokio::spawn(tell(common.server.clone(), client.trouble(), Arc::clone(&waiting), ended, say));
        Self { waiting, end, task }
    }

    /// Waits for the server's answer; that none comes is told too.
    pub(crate) async fn during<T>(&self, answer: impl Future<Output = T>) -> T {
        self.waiting.during(answer).await
    }

    /// To wait for answers in other tasks.
    pub(crate) fn waiting(&self) -> Arc<Waiting> {
        Arc::clone(&self.waiting)
    }

    /// Says that all is well again when that is still to be said, and ends.
    pub(crate) async fn end(self) {
        // When the task has ended already, it has said all.
        let _ = self.end.send(());
        let _ = self.task.await;
    }
}

/// How many answers are waited for, and since when none has come.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Unanswered>);

#[derive(Debug, Default)]
struct Unanswered {
    requests: u64,
    since: Option<Instant>,
}

impl Waiting {
    /// As [`Teller::during`].
    pub(crate) async fn during<T>(&self, answer: impl Future<Output = T>) -> T {
        self.asked();
        let _waits = Waits(self);
        answer.await
    }

    fn asked(&self) {
        let mut waiting = self.0.lock();
        waiting.requests += 1;
        waiting.since.get_or_insert_with(Instant::now);
    }

    fn answered(&self) {
        let mut waiting = self.0.lock();
        waiting.requests -= 1;
        waiting.since = (waiting.requests > 0).then(Instant::now);
    }

    /// When to say that there is no answer, unless one comes.
    fn silent_at(&self) -> Option<Instant> {
        self.0.lock().since.map(|since| since + SILENCE)
    }
}

/// One answer that is waited for.
struct Waits<'a>(&'a Waiting);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.answered();
    }
}

async fn tell(
    server: String,
    mut trouble: watch::Receiver<Option<Trouble>>,
    waiting: Arc<Waiting>,
    mut ended: oneshot::Receiver<()>,
    say: impl Fn(String),
) {
    let mut told: Vec<Discriminant<Trouble>> = Vec::new();
    let mut silence_told = false;
    loop {
        let now = trouble.borrow_and_update().clone();
        let silent_at = waiting.silent_at();
        let is_silent = silent_at.is_some_and(|at| at <= Instant::now());
        if let Some(trouble) = &now
            && !told.contains(&discriminant(trouble))
        {
            told.push(discriminant(trouble));
            say(match trouble {
                Trouble::Away(reason) => format!("{reason}; connecting to {server} again"),
                Trouble::Refusing(refusal) => format!("{server} refuses for now, trying again: {refusal}"),
            });
        }
        if is_silent && told.is_empty() && !silence_told {
            silence_told = true;
            say(silence(&server));
        }
        let in_trouble = silence_told || !told.is_empty();
        let is_well = now.is_none() && !is_silent;
        let look_again = async {
            match silent_at {
                // Silence ends without a signal.
                _ if is_silent => sleep(SETTLED).await,
                Some(at) => sleep_until(at).await,
                // So does the time in which nothing is asked.
                None => sleep(SILENCE).await,
            }
        };
        let is_over = tokio::select! {
            biased;
            changed = trouble.changed() => changed.is_err(),
            _ = &mut ended => true,
            () = sleep(SETTLED), if in_trouble && is_well => {
                (told, silence_told) = (Vec::new(), false);
                say(format!("{server} answers again"));
                false
            }
            () = look_again, if !(in_trouble && is_well) => false,
        };
        if is_over {
            let is_silent = waiting.silent_at().is_some_and(|at| at <= Instant::now());
            if in_trouble && !is_silent && trouble.borrow().is_none() {
                say(format!("{server} answers again"));
            }
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use ixn_client::DisconnectReason;

    use super::*;

    struct Scene {
        trouble: watch::Sender<Option<Trouble>>,
        waiting: Arc<Waiting>,
        said: Arc<Mutex<Vec<String>>>,
        end: oneshot::Sender<()>,
        task: JoinHandle<()>,
    }

    impl Scene {
        fn new() -> Self {
            let (trouble, receiver) = watch::channel(None);
            let (end, ended) = oneshot::channel();
            let (waiting, said) = (Arc::new(Waiting::default()), Arc::new(Mutex::new(Vec::new())));
            let heard = Arc::clone(&said);
            let say = move |remark: String| heard.lock().push(remark);
            let task = tokio::spawn(tell("it".to_owned(), receiver, Arc::clone(&waiting), ended, say));
            Self { trouble, waiting, said, end, task }
        }

        async fn end(self) -> Vec<String> {
            let _ = self.end.send(());
            self.task.await.unwrap();
            self.said.lock().clone()
        }
    }

    const WELL_AGAIN: &str = "it answers again";

    fn away() -> Option<Trouble> {
        Some(Trouble::Away(DisconnectReason::Lost("it broke".to_owned())))
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_time_is_told_once_and_so_is_its_end() {
        let scene = Scene::new();
        for _ in 0..100 {
            scene.trouble.send_replace(away());
            sleep(Duration::from_millis(100)).await;
            scene.trouble.send_replace(None);
            sleep(Duration::from_millis(100)).await;
        }
        sleep(SETTLED).await;
        scene.trouble.send_replace(away());
        sleep(SETTLED).await;
        let lost = "the connection was lost: it broke; connecting to it again";
        assert_eq!(scene.end().await, [lost, WELL_AGAIN, lost]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_says_what_is_still_to_be_said() {
        let scene = Scene::new();
        scene.trouble.send_replace(away());
        sleep(Duration::from_millis(1)).await;
        scene.trouble.send_replace(None);
        assert_eq!(scene.end().await.last().map(String::as_str), Some(WELL_AGAIN));
        assert_eq!(Scene::new().end().await, Vec::<String>::new());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_told_when_something_is_asked() {
        let scene = Scene::new();
        sleep(SILENCE * 3).await;
        assert!(scene.said.lock().is_empty(), "nothing was asked");
        scene.waiting.asked();
        scene.waiting.asked();
        sleep(SILENCE * 10).await;
        scene.waiting.answered();
        sleep(SETTLED * 2).await;
        scene.waiting.answered();
        let said = scene.end().await;
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("no answer from it for 5s"), "{said:?}");
        assert_eq!(said[1], WELL_AGAIN);
    }
}
