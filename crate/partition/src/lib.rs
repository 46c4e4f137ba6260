//! Plans how several workers share an image network.
