//! How much one side accepts from the other. An edge tells its own limits in its welcome, so that a device can keep
//! to them instead of being refused.

/// Upper bounds that hold for everything decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message with its header.
    pub max_frame_bytes: u32,
    /// Bytes of one model file.
    pub max_model_bytes: u64,
    /// Bytes of all tensors of one message, unpacked.
    pub max_tensor_bytes: u64,
    /// Tensors in one message.
    pub max_tensors: u16,
    /// Dimensions of one tensor.
    pub max_rank: u8,
}

impl Limits {
    /// 16 MiB: DGCNN's widest cut, 1024 points × (192 joined + 128) f32 channels, is 1.3 MB; ten times that is room
    /// enough for wider nets and still small against the memory of a machine with some connections.
    pub const MAX_FRAME_BYTES: u32 = 16 << 20;
    /// 64 MiB: DGCNN's weights are 7.2 MB; GNNs of this kind do not come near.
    pub const MAX_MODEL_BYTES: u64 = 64 << 20;
    /// 64 MiB: what an LZ4 bomb inside one message may unpack to.
    pub const MAX_TENSOR_BYTES: u64 = 64 << 20;
    /// 264 tensors: what a graph of 256 operations with some inputs can have alive at most.
    pub const MAX_TENSORS: u16 = 264;
    /// 4 dimensions: a map has three, features and neighbours have two, and one more.
    pub const MAX_RANK: u8 = 4;
    /// 16 KiB of one text: a graph of 256 operations, each with a name of its weights.
    pub const MAX_TEXT_BYTES: usize = 16 << 10;
    /// 256 KiB of weights in one message: 52 ms at 40 Mbps, so that a ping is not stuck behind a whole model.
    pub const WEIGHTS_CHUNK_BYTES: usize = 256 << 10;
    /// 16 MiB of clouds that judge: 220 clouds of 1024 points are 1.4 MB.
    pub const MAX_VALIDATION_BYTES: u32 = 16 << 20;
    /// 64 KiB of them in one message: 105 ms at 5 Mbps, for which frames and pings wait.
    pub const VALIDATION_PIECE_BYTES: usize = 64 << 10;

    /// The defaults of both sides.
    pub const DEFAULT: Limits = Limits {
        max_frame_bytes: Self::MAX_FRAME_BYTES,
        max_model_bytes: Self::MAX_MODEL_BYTES,
        max_tensor_bytes: Self::MAX_TENSOR_BYTES,
        max_tensors: Self::MAX_TENSORS,
        max_rank: Self::MAX_RANK,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
