//! The reporting stream: it goes on by itself after a reconnect.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{FutureExt as _, Stream, StreamExt, future::BoxFuture};
use ixn_proto::{
    EventReportingGap, EventReportingState, EventReportingStateEnd, KeyValueList,
    RequestStartPlaceAgentStateReportingAll, ServerEnvelope, client_envelope::Request,
    server_envelope::Event,
};
use tokio::time::timeout;

use crate::{Client, ClientError, ClientEvent, DisconnectReason, Events, RequestOptions};

const SESSION_LOSS_TIME: Duration = Duration::from_secs(60);

/// What to report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportingOptions {
    /// Go on after this event number; 0 = from the first event ever. `None` = from now on, with the full state first.
    pub after: Option<u64>,
    /// The full state has the interactions too. Default false: agents and their parties only.
    pub with_interactions: bool,
    /// Workbin events, and the workbins in the full state. Default false.
    pub workbins: bool,
    /// The external services whose calls are wanted, by application name; `*` = all. Default: none.
    pub external_services: Vec<String>,
}

/// What a reporting stream brings.
#[derive(Clone, Debug, PartialEq)]
// Nearly all of them are the large one.
#[allow(clippy::large_enum_variant)]
pub enum ReportingItem {
    /// A page of the full state. Rows of one page have no common moment: ignore events about a row that are not
    /// newer than its `last_event_number`.
    State(EventReportingState),
    /// The full state is complete.
    StateEnd(EventReportingStateEnd),
    /// Events were lost; forget what you know, the full state follows.
    Gap(EventReportingGap),
    /// A reporting event. Numbers only grow; the stream brings none twice.
    Event {
        /// Its number, by which to resume.
        number: u64,
        /// When it happened, Unix milliseconds, UTC.
        time_milliseconds: i64,
        /// What it is.
        event: Event,
    },
    /// Something else that came for this registration, such as a publication.
    Other(Box<ServerEnvelope>),
    /// The connection was lost; the client is connecting again.
    Disconnected(DisconnectReason),
    /// The stream goes on after this number. `None` = there was none yet: forget what you know, the full state follows.
    Resumed {
        /// The number.
        after: Option<u64>,
    },
}

/// A stream of [`ReportingItem`]s. It holds the client's [`Events`], with their back-pressure, and the client itself.
/// It ends when the client gives up, and after an error.
pub struct Reporting {
    client: Client,
    events: Events,
    options: ReportingOptions,
    /// The number to resume after; `None` while the full state is not complete.
    after: Option<u64>,
    /// The newest number that came: events come between the pages of the full state too.
    newest: u64,
    starting: Option<BoxFuture<'static, Result<ServerEnvelope, ClientError>>>,
    failed: bool,
}

impl fmt::Debug for Reporting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("Reporting");
        text.field("options", &self.options).field("after", &self.after).finish_non_exhaustive()
    }
}

impl Client {
    /// Starts reporting on this registration, and takes its events (as [`Client::events`] does). After a reconnect
    /// reporting is started again, after the last number that the stream brought; with the full state when that was not
    /// complete. Every start is a request with the options of this handle (see [`Client::with`]).
    ///
    /// # Errors
    /// Those of [`Client::request`]; `Refused` with `NOT_PERMITTED` unless the client is a reporting engine.
    pub async fn reporting(&self, options: ReportingOptions) -> Result<Reporting, ClientError> {
        let mut reporting = Reporting {
            client: self.clone(),
            events: self.events(),
            after: options.after,
            newest: 0,
            options,
            starting: None,
            failed: false,
        };
        // What came before is not about this.
        while reporting.events.next().now_or_never().flatten().is_some() {}
        match reporting.start().await {
            Ok(_) => Ok(reporting),
            // The loss of the connection stands in the events, and so will the reconnect that starts it.
            Err(error) if error.session_was_lost() => Ok(reporting),
            Err(error) => {
                reporting.failed = true;
                Err(error)
            }
        }
    }
}

impl Reporting {
    /// The next item; `None` at the end. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Result<ReportingItem, ClientError>> {
        StreamExt::next(self).await
    }

    /// The number to resume after: of the last event that the stream brought, or of the end of the full state. 0 while
    /// that is not complete.
    pub fn last_number(&self) -> u64 {
        self.after.unwrap_or(0)
    }

    fn start(&mut self) -> BoxFuture<'static, Result<ServerEnvelope, ClientError>> {
        // What came of a state that is asked for again does not count: the database may be another one.
        self.newest = self.after.unwrap_or(0);
        let mut tenant_list = None;
        if self.options.workbins {
            let mut wanted = KeyValueList::new();
            wanted.push_integer("Workbins", 1);
            let mut tenants = KeyValueList::new();
            tenants.push_list(&self.client.registration().tenant_id.to_string(), &wanted);
            tenant_list = Some(tenants);
        }
        let request =
            Request::RequestStartPlaceAgentStateReportingAll(RequestStartPlaceAgentStateReportingAll {
                tenant_list,
                resume_after_event: self.after,
                with_interactions: self.options.with_interactions,
                external_service_list: self.options.external_services.clone(),
            });
        let deadline = self.client.request_deadline();
        // Longer than ours: so an unknown outcome always means that the session was lost.
        let options = RequestOptions {
            deadline: Some(deadline.saturating_add(SESSION_LOSS_TIME)),
            ..self.client.request_options().clone()
        };
        let client = self.client.clone();
        async move {
            let hint = "reporting was not started; the server is slow or away: start it again later";
            let exceeded = |_| ClientError::DeadlineExceeded { waited: deadline, hint };
            timeout(deadline, client.request_with(request, options)).await.map_err(exceeded)?
        }
        .boxed()
    }

    fn item(&mut self, mut envelope: Box<ServerEnvelope>) -> Option<ReportingItem> {
        let number = envelope.event_number;
        match envelope.event.take()? {
            Event::EventReportingState(state) => Some(ReportingItem::State(state)),
            Event::EventReportingStateEnd(end) => {
                // The number is that of the state's beginning; what came meanwhile does not come again.
                self.newest = self.newest.max(end.event_number);
                self.after = Some(self.newest);
                Some(ReportingItem::StateEnd(end))
            }
            Event::EventReportingGap(gap) => {
                // A loss before the full state has come must ask for all of it again.
                (self.after, self.newest) = (None, 0);
                Some(ReportingItem::Gap(gap))
            }
            event if number == 0 => {
                envelope.event = Some(event);
                Some(ReportingItem::Other(envelope))
            }
            // Reporting was started twice on one connection; it came already.
            _ if number <= self.newest => None,
            event => {
                self.newest = number;
                self.after = self.after.map(|_| number);
                let time_milliseconds = envelope.event_time_milliseconds;
                Some(ReportingItem::Event { number, time_milliseconds, event })
            }
        }
    }
}

impl Stream for Reporting {
    type Item = Result<ReportingItem, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.failed {
                return Poll::Ready(None);
            }
            if let Some(starting) = &mut self.starting {
                let started = ready!(starting.as_mut().poll(context));
                self.starting = None;
                match started {
                    Ok(_) => return Poll::Ready(Some(Ok(ReportingItem::Resumed { after: self.after }))),
                    Err(error) if error.session_was_lost() => {}
                    Err(error) => {
                        self.failed = true;
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
            let item = match ready!(self.events.poll_next_unpin(context)) {
                None => return Poll::Ready(None),
                Some(ClientEvent::Disconnected { reason }) => Some(ReportingItem::Disconnected(reason)),
                Some(ClientEvent::Reconnected { .. }) => {
                    self.starting = Some(self.start());
                    None
                }
                Some(ClientEvent::Event(envelope)) => self.item(envelope),
            };
            if let Some(item) = item {
                return Poll::Ready(Some(Ok(item)));
            }
        }
    }
}
