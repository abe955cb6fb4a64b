//! What the build script made of `proto/`. Nothing outside `wire`, `client` and `server` sees it, but for
//! what [`Explanation`](router::Explanation) is made of: read by people and by nothing here, it is passed
//! on as it is.

#![expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    unreachable_pub,
    unused_qualifications,
    reason = "generated code keeps its own style"
)]

/// The folder structure of the packages, because generated code refers to it by `super`.
pub(crate) mod weir {
    pub(crate) mod common {
        pub(crate) mod v1 {
            tonic::include_proto!("weir.common.v1");
        }
    }
    /// Read and written by hand; here to be compared with.
    #[cfg(test)]
    pub(crate) mod link {
        pub(crate) mod v1 {
            tonic::include_proto!("weir.link.v1");
        }
    }
    pub(crate) mod router {
        pub(crate) mod v1 {
            tonic::include_proto!("weir.router.v1");
        }
    }
    pub(crate) mod worker {
        pub(crate) mod v1 {
            tonic::include_proto!("weir.worker.v1");
        }
    }
}

pub(crate) use weir::common::v1 as common;
#[cfg(test)]
pub(crate) use weir::link::v1 as link;
pub(crate) use weir::router::v1 as router;
pub(crate) use weir::worker::v1 as worker;
