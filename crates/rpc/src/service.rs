//! One trait per service. The rooms hold `Arc<dyn …>` and cannot tell a neighbour in the same
//! process from one across the network.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;
use weir_types::{CallContext, Fault, FaultCode};

use crate::{Body, Description, ExplainRequest, Explanation, Reply, RouterRequest, WorkerRequest};

/// A call under way. Dropping it cancels the call.
pub type CallFuture = Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send>>;

/// An explanation under way.
pub type ExplainFuture = Pin<Box<dyn Future<Output = Result<Explanation, Fault>> + Send>>;

/// Descriptions, the present one first, then one for every change.
pub type DescribeStream = Pin<Box<dyn Stream<Item = Description> + Send>>;

/// Has the configuration looked at, because somebody seems to have read another one; done when it was.
pub type LookAgain = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The router as the edge sees it.
pub trait RouterService: Send + Sync + 'static {
    /// Serves one client request: choice of provider and key, admission, attempts, fallbacks.
    fn call(&self, context: CallContext, request: RouterRequest, body: Body) -> CallFuture;

    /// Why keys can or cannot serve a model at present. Changes nothing. Asked of one router by people;
    /// whoever stands for several has none of its own to explain.
    fn explain(&self, _request: ExplainRequest) -> ExplainFuture {
        let message = "this stands for several routers; ask one of them";
        let fault = Fault::new(FaultCode::UnsupportedOperation, message);
        Box::pin(std::future::ready(Err(fault)))
    }
}

/// One provider's worker as the router sees it.
pub trait WorkerService: Send + Sync + 'static {
    /// Makes one attempt with one key.
    fn call(&self, context: CallContext, request: WorkerRequest, body: Body) -> CallFuture;

    /// Says which keys are usable, now and whenever that changes. `checks`: has their servers asked how
    /// they are, where the settings say so, for as long as it is listened to.
    fn describe(&self, checks: bool) -> DescribeStream;
}
