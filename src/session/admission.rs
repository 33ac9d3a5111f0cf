//! The admission of a session's client: authentication, a connection slot, then the acknowledgement or the seat.

use std::sync::Arc;

use actix::prelude::*;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    Identified, SessionLink, actor::Session, error::AdmissionError, link::LinkClient,
    slot_search::SlotSearch, socket::SessionContext,
};
use crate::{
    domain::Party,
    roster::Slot,
    wire::{CloseReason, Predecessor},
};

impl Session {
    /// Authenticates the client with `token`, or else with the token of its upgrade, and takes a connection slot, that of
    /// the predecessor if it names one. Then admits the client or closes the session.
    pub(super) fn authenticate(
        &mut self,
        token: Option<String>,
        predecessor: Option<Predecessor>,
        ctx: &mut SessionContext,
    ) {
        self.heartbeat.init_received();
        let (id, parts, upgraded_by) = (self.id, Arc::clone(&self.parts), self.upgraded_by.take());
        let admission = async move {
            let identified = match (token, upgraded_by) {
                (Some(token), _) => parts.identity.of(&token).await?,
                (None, Some(identified)) => identified,
                (None, None) => return Err(AdmissionError::NoToken),
            };
            let search = SlotSearch { parts: &parts, user: identified.user.id, session: id };
            let slot = search.take(predecessor).await?;
            Ok((identified, slot))
        };
        ctx.spawn(admission.into_actor(self).map(|admission, session, ctx| match admission {
            Ok((identified, slot)) => session.admit(identified, slot, ctx),
            Err(error) => session.refuse(&error, ctx),
        }));
    }

    fn admit(&mut self, identified: Identified, slot: Slot, ctx: &mut SessionContext) {
        // The client may have gone meanwhile. Then its slot is given back here.
        if self.is_closing() {
            return;
        }
        self.span.record("user.id", tracing::field::display(identified.user.id));
        tracing::info!("session admitted");
        self.intake.admit(Party::User(identified.user.id));
        self.connection.authenticate(identified.user.id);
        self.slot = Some(slot);
        let sign_in = Arc::new(Mutex::new(identified.sign_in));
        if let Some(registered) = &mut self.registered {
            registered.admit(identified.user.id, Arc::clone(&sign_in), self.protocol.name());
        }
        self.extend_to(identified.expires_at, ctx);
        // The token may have expired meanwhile.
        if self.is_closing() {
            return;
        }
        let (outbox, limits) = (self.outbox.clone(), &self.parts.limits);
        let client = LinkClient { user: identified.user, sign_in, network: self.network };
        let link = SessionLink::new(self.id, client, outbox, limits);
        let view = self.view();
        let effects = self.protocol.admit(Arc::new(link), &self.heartbeat, &view);
        self.apply(effects, ctx);
    }

    fn refuse(&mut self, error: &AdmissionError, ctx: &mut SessionContext) {
        match error {
            AdmissionError::NoToken => self.parts.metrics.auth_failed("missing"),
            AdmissionError::Slot(_) => self.parts.metrics.slot_refused(),
            // `Identity` has counted it.
            AdmissionError::Identity(_) => {}
        }
        let reason = CloseReason::from(error);
        if matches!(reason, CloseReason::InternalError | CloseReason::Unavailable) {
            let error: &dyn std::error::Error = error;
            tracing::error!(error, "could not authenticate the client");
        }
        if self.is_closing() {
            return;
        }
        if let Some(effects) = self.protocol.refuse(&reason) {
            self.heartbeat.await_token(Instant::now());
            self.apply(effects, ctx);
            return self.check_heartbeat(ctx);
        }
        self.close(&reason, ctx);
    }

    /// Keeps the session open until its client's token expires at `expires_at`.
    pub(super) fn extend_to(&mut self, expires_at: DateTime<Utc>, ctx: &mut SessionContext) {
        self.expires_at = expires_at;
        let life = (expires_at - Utc::now()).to_std().unwrap_or_default();
        self.heartbeat.set_token_life(Instant::now(), life);
        self.check_heartbeat(ctx);
    }
}
