//! How a session's client is let in: who it is, a connection slot, and then its acknowledgement or its seat.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::{
    Identified, SessionLink, actor::Session, error::AdmissionError, socket::SessionContext,
};
use crate::{
    roster::Slot,
    wire::{CloseReason, graphql_ws::ServerMessage},
};

impl Session {
    /// Makes out who the client is and takes a connection slot, then admits or closes.
    pub(super) fn look_at(&mut self, token: Option<String>, ctx: &mut SessionContext) {
        let (id, parts, upgraded_by) =
            (self.id, Arc::clone(&self.parts), self.upgrade.identified.take());
        let admission = async move {
            let identified = match (token, upgraded_by) {
                (Some(token), _) => parts.identity.of(&token).await?,
                (None, Some(identified)) => identified,
                (None, None) => return Err(AdmissionError::NoToken),
            };
            let (roster, limit) = (Arc::clone(&parts.roster), parts.limits.connections_per_user);
            let slot = Slot::take(roster, identified.user.id, id, limit).await?;
            Ok((identified, slot))
        };
        ctx.spawn(admission.into_actor(self).map(|admission, session, ctx| match admission {
            Ok((identified, slot)) => session.admit(identified, slot, ctx),
            Err(error) => session.refuse_admission(&error, ctx),
        }));
    }

    fn admit(&mut self, identified: Identified, slot: Slot, ctx: &mut SessionContext) {
        // The client may have gone while it was looked at; the slot then goes with it.
        if !self.gate.admit() {
            return;
        }
        tracing::info!(session.id = %self.id, user.id = %identified.user.id, "admitted");
        self.intake.admitted();
        self.slot = Some(slot);
        self.good_until(identified.expires_at, ctx);
        if self.gate.is_closing() {
            return;
        }
        let link =
            SessionLink::new(self.id, identified.user, self.outbox.clone(), &self.parts.limits);
        if self.conversation.is_some() {
            let link = Arc::new(link);
            self.link = Some(Arc::clone(&link));
            return self.seat_editor(link, ctx);
        }
        let options = &self.parts.options;
        let payload = serde_json::json!({
            "sessionId": self.id,
            "userId": link.user().id,
            "heartbeat": {
                "pingEvery": milliseconds(options.ping_every),
                "silenceAllowed": milliseconds(options.silence_allowed),
            },
            "tokenExpiresAt": self.expires_at,
        });
        self.link = Some(Arc::new(link));
        let payload = payload.to_string();
        let ack = ServerMessage::ConnectionAck { payload: Some(payload.as_bytes()) };
        self.reply(ack.frame(), None);
    }

    fn refuse_admission(&mut self, error: &AdmissionError, ctx: &mut SessionContext) {
        match error {
            AdmissionError::NoToken => self.parts.metrics.auth_failed("missing"),
            AdmissionError::Slot(_) => self.parts.metrics.slot_refused(),
            // GaugeGuard where it was made out.
            AdmissionError::Identity(_) => {}
        }
        let reason = CloseReason::from(error);
        if matches!(reason, CloseReason::InternalError | CloseReason::Unavailable) {
            tracing::error!(error = error as &dyn std::error::Error, "nobody could be admitted");
        }
        self.end(&reason, ctx);
    }

    /// The client's token is good until then; one that runs out sooner than another before it takes nothing away.
    pub(super) fn good_until(&mut self, expires_at: DateTime<Utc>, ctx: &mut SessionContext) {
        self.expires_at = self.expires_at.max(expires_at);
        let life = (self.expires_at - Utc::now()).to_std().unwrap_or_default();
        let warn_before = self.parts.options.warn_before_expiry;
        self.heartbeat.admitted(Instant::now(), life, warn_before);
        self.beat(ctx);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
