//! Workbins and snapshots.

use super::{acknowledged, answered};

acknowledged! {
    /// Subscribes to a workbin, on this connection.
    workbin_notifications(RequestWorkbinNotifications);
    /// Ends [`Client::workbin_notifications`](crate::Client::workbin_notifications).
    workbin_cancel_notifications(RequestWorkbinCancelNotifications);
    /// Forgets a snapshot and unlocks what it locked.
    release_snapshot(RequestReleaseSnapshot);
    /// Locks one interaction of a snapshot.
    lock_interaction(RequestLockInteraction);
    /// Unlocks one interaction of a snapshot.
    unlock_interaction(RequestUnlockInteraction);
}

answered! {
    /// Reads a workbin's content, all its pages.
    get_workbin_content(RequestGetWorkbinContent) -> EventWorkbinContent;
    /// Lists the workbin types.
    get_workbin_types_info(RequestGetWorkbinTypesInfo) -> EventWorkbinTypesInfo;
    /// Takes a snapshot, which ends with the connection.
    take_snapshot(RequestTakeSnapshot) -> EventSnapshotTaken;
    /// Reads a page of a snapshot.
    get_snapshot_interactions(RequestGetSnapshotInteractions) -> EventSnapshotInteractions;
    /// Moves or stops the interactions of a snapshot.
    move_interactions(RequestMoveInteractions) -> EventInteractionMoved;
}
