//! The life of an interaction, and offers.

use ixn_proto::{
    RequestAccept, RequestGetInteractionProperties, RequestHold, RequestLeaveInteraction,
    RequestPlaceInQueue, RequestPlaceInWorkbin, RequestReject, RequestResume, RequestStopProcessing,
    RequestSubmit, WorkbinInfo, client_envelope::Request, server_envelope::Event,
};

use super::{acknowledged, answered};
use crate::{Client, ClientError};

/// An interaction that was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Its id.
    pub interaction_id: String,
    /// It was submitted before under the same idempotency key; this is the first answer again.
    pub repeated: bool,
}

impl Client {
    /// Submits an interaction.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn submit(&self, request: RequestSubmit) -> Result<Submitted, ClientError> {
        let envelope = self.request(Request::RequestSubmit(request)).await?;
        match envelope.event {
            Some(Event::EventAck(ack)) => {
                Ok(Submitted { interaction_id: ack.interaction_id, repeated: envelope.repeated })
            }
            _ => Err(ClientError::UnexpectedAnswer { request: "RequestSubmit" }),
        }
    }

    /// Places an interaction in a queue.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn place_in_queue(&self, interaction_id: &str, queue: &str) -> Result<(), ClientError> {
        let (interaction_id, queue) = (interaction_id.to_owned(), queue.to_owned());
        self.place(RequestPlaceInQueue { interaction_id, queue, ..Default::default() }).await
    }

    /// Places an interaction in a workbin.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn place_in_workbin(
        &self,
        interaction_id: &str,
        workbin: WorkbinInfo,
    ) -> Result<(), ClientError> {
        let request = Request::RequestPlaceInWorkbin(RequestPlaceInWorkbin {
            interaction_id: interaction_id.to_owned(),
            workbin: Some(workbin),
            reason: None,
        });
        self.acknowledged("RequestPlaceInWorkbin", request).await.map(drop)
    }

    /// Ends the processing of an interaction.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn stop(&self, interaction_id: &str) -> Result<(), ClientError> {
        let interaction_id = interaction_id.to_owned();
        self.stop_processing(RequestStopProcessing { interaction_id, reason: None }).await
    }

    /// Leaves an interaction.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn leave(&self, interaction_id: &str) -> Result<(), ClientError> {
        let interaction_id = interaction_id.to_owned();
        self.leave_interaction(RequestLeaveInteraction { interaction_id, reason: None }).await
    }

    /// Puts an interaction on hold.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn hold(&self, interaction_id: &str) -> Result<(), ClientError> {
        let interaction_id = interaction_id.to_owned();
        let request = Request::RequestHold(RequestHold { interaction_id, ..Default::default() });
        self.acknowledged("RequestHold", request).await.map(drop)
    }

    /// Ends [`Client::hold`].
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn resume(&self, interaction_id: &str) -> Result<(), ClientError> {
        let interaction_id = interaction_id.to_owned();
        let request = Request::RequestResume(RequestResume { interaction_id, ..Default::default() });
        self.acknowledged("RequestResume", request).await.map(drop)
    }

    /// Reads all properties, parties and user data of an interaction.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn get_properties(
        &self,
        interaction_id: &str,
    ) -> Result<ixn_proto::EventInteractionProperties, ClientError> {
        let interaction_id = interaction_id.to_owned();
        self.get_interaction_properties(RequestGetInteractionProperties { interaction_id }).await
    }

    /// Accepts an offer. Name ticket and interaction as `EventInvite` did.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn accept(&self, ticket_id: u64, interaction_id: &str) -> Result<(), ClientError> {
        let interaction_id = interaction_id.to_owned();
        let request = Request::RequestAccept(RequestAccept { ticket_id, interaction_id });
        self.acknowledged("RequestAccept", request).await.map(drop)
    }

    /// Rejects an offer.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn reject(&self, ticket_id: u64, interaction_id: &str) -> Result<(), ClientError> {
        let interaction_id = interaction_id.to_owned();
        let request = Request::RequestReject(RequestReject { ticket_id, interaction_id, reason: None });
        self.acknowledged("RequestReject", request).await.map(drop)
    }
}

acknowledged! {
    /// Places an interaction in a queue, with all that the request can say.
    place(RequestPlaceInQueue);
    /// Ends the processing of an interaction, with a reason.
    stop_processing(RequestStopProcessing);
    /// Leaves an interaction, with a reason.
    leave_interaction(RequestLeaveInteraction);
    /// Changes properties and user data.
    change_properties(RequestChangeProperties);
    /// Offers an interaction to another agent. Answered when that one decides.
    transfer(RequestTransfer);
    /// Invites another agent to an interaction. Answered when that one decides.
    conference(RequestConference);
    /// Joins an interaction of another agent.
    intrude(RequestIntrude);
}

answered! {
    /// Reads all properties, parties and user data of an interaction.
    get_interaction_properties(RequestGetInteractionProperties) -> EventInteractionProperties;
    /// Takes interactions from a view, a strategy or a workbin. Do not drop the future: the interactions are taken.
    pull(RequestPull) -> EventPulledInteractions;
    /// Finds interactions by a condition, one page.
    find(RequestFindInteractions) -> EventFoundInteractions;
}
