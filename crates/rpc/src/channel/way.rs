//! How requests go to a service on the present connection: asked once, kept until it ends.

use std::sync::Arc;

use http::Uri;
use tokio::time::timeout;

use super::{Channel, ChannelError, Shared};
use crate::framed::{self, Caller};

/// How requests go to a service.
#[derive(Clone)]
pub(crate) enum Way {
    /// Each on a call of its own.
    Calls,
    /// All on one.
    Framed(Arc<Caller>),
}

impl Channel {
    /// How requests go to the service whose framed link would be at `target`: asked once per connection.
    ///
    /// # Errors
    /// There is no connection.
    pub(crate) async fn way(&self, target: &Uri) -> Result<Way, ChannelError> {
        if !self.shared.limits.framed {
            return Ok(Way::Calls);
        }
        match self.shared.known_way() {
            Some(way) => Ok(way),
            None => self.shared.ask_way(target).await,
        }
    }
}

impl Shared {
    /// How requests are sent on the present connection, if that is known and it takes any.
    fn known_way(&self) -> Option<Way> {
        let mut open = self.lock();
        if let Some(Way::Framed(caller)) = &open.way
            && !caller.is_open()
        {
            // The service is leaving, or gone: another connection, for other calls as well.
            (open.sender, open.way) = (None, None);
        }
        open.way.clone()
    }

    async fn ask_way(self: &Arc<Self>, target: &Uri) -> Result<Way, ChannelError> {
        let _only = self.asking.lock().await;
        loop {
            if let Some(way) = self.known_way() {
                return Ok(way);
            }
            let sender = self.sender().await?;
            let tries = self.present().1;
            let opening = framed::open(sender, target.clone(), &self.limits);
            let way = match timeout(self.limits.connect_timeout, opening).await {
                Ok(Ok(Some(caller))) => Way::Framed(Arc::new(caller)),
                Ok(Ok(None)) => Way::Calls,
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err("the service says nothing".into()),
            };
            let mut open = self.lock();
            if open.tries == tries && open.sender.is_some() {
                let (host, port, framed) = (&self.host, self.port, matches!(way, Way::Framed(_)));
                tracing::debug!(host, port, framed, "how requests go to a service");
                open.way = Some(way.clone());
                return Ok(way);
            }
        }
    }
}
