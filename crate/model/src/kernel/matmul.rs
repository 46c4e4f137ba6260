//! Matrix products on plain slices. The only module of the crate that contains `unsafe`: the `gemm`
//! crate takes raw pointers, and every extent it will touch is checked here first.
#![allow(unsafe_code)]

/// A row-major view: `rows` × `cols` with `stride` elements from one row to the next.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Elements, from the first of the view on.
    pub data: &'a [f32],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Elements between the starts of two rows.
    pub stride: usize,
    /// Whether to read it transposed: the product then sees `cols` × `rows`.
    pub transposed: bool,
}

impl<'a> View<'a> {
    /// Contiguous rows.
    pub fn rows(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, stride: cols, transposed: false }
    }

    /// The transposed view of the same elements.
    pub fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    fn shape(&self) -> (usize, usize) {
        if self.transposed { (self.cols, self.rows) } else { (self.rows, self.cols) }
    }

    /// (row stride, column stride) as the product sees them.
    fn strides(&self) -> (isize, isize) {
        let stride = self.stride as isize;
        if self.transposed { (1, stride) } else { (stride, 1) }
    }

    fn fits(&self) -> bool {
        let Some(rows_before_last) = self.rows.checked_sub(1) else { return true };
        let last = rows_before_last.checked_mul(self.stride).and_then(|start| start.checked_add(self.cols));
        self.stride >= self.cols && last.is_some_and(|last| last <= self.data.len())
    }
}

/// What is in the destination before the product is added.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing: it is overwritten.
    Zero,
    /// Its own content: the product is added to it.
    Accumulate,
}

/// How many threads a product may use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// The caller's own.
    One,
    /// All cores, with the `parallel` feature; one without it.
    All,
}

/// `out[m, n] (+)= a[m, k] · b[k, n]`, `out` contiguous and row-major.
///
/// # Panics
/// When the shapes do not agree or a view is larger than its data: both are errors of the caller.
pub fn matmul(out: &mut [f32], a: View, b: View, start: Start, threads: Threads) {
    let n = b.shape().1;
    matmul_into(out, n, a, b, start, threads);
}

/// [`matmul`] into rows that begin `out_stride` elements apart.
///
/// # Panics
/// As [`matmul`].
pub fn matmul_into(out: &mut [f32], out_stride: usize, a: View, b: View, start: Start, threads: Threads) {
    let ((m, k), (k_b, n)) = (a.shape(), b.shape());
    assert_eq!(k, k_b, "matmul: inner dimensions {k} and {k_b} differ");
    let target = View { data: out, rows: m, cols: n, stride: out_stride, transposed: false };
    assert!(a.fits() && b.fits() && target.fits(), "matmul: a view is larger than its data");
    let ((a_rs, a_cs), (b_rs, b_cs)) = (a.strides(), b.strides());
    // SAFETY: `fits` and the assertion above bound every element that (m, n, k) and the strides
    // reach; `out` is a unique borrow, so it cannot overlap `a` or `b`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            start == Start::Accumulate,
            a.data.as_ptr(),
            a_cs,
            a_rs,
            b.data.as_ptr(),
            b_cs,
            b_rs,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism(threads, m.saturating_mul(n).saturating_mul(k)),
        );
    }
}

/// Has the calling thread take what it keeps for all its products, natively as much as its second-level cache: before the
/// memory of anything is counted.
pub fn reserve() {
    const N: usize = 64;
    let (ones, mut out) = (vec![1.0; N * N], vec![0.0; N * N]);
    let ones = View::rows(&ones, N, N);
    matmul(&mut out, ones, ones, Start::Zero, Threads::One);
}

/// Below this many multiply-adds the hand-over to other threads costs more than it saves.
#[cfg(feature = "parallel")]
const PARALLEL_MACS: usize = 1 << 22;

#[cfg(feature = "parallel")]
fn parallelism(threads: Threads, macs: usize) -> gemm::Parallelism {
    if threads == Threads::All && macs >= PARALLEL_MACS { gemm::Parallelism::Rayon(0) } else { gemm::Parallelism::None }
}

#[cfg(not(feature = "parallel"))]
fn parallelism(_: Threads, _: usize) -> gemm::Parallelism {
    gemm::Parallelism::None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(a: &[f32], b: &[f32], m: usize, k: usize, n: usize) -> Vec<f32> {
        let mut out = vec![0.0; m * n];
        for i in 0..m {
            for j in 0..n {
                out[i * n + j] = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
            }
        }
        out
    }

    #[test]
    fn agrees_with_the_definition_plain_and_transposed() {
        let (m, k, n) = (5, 7, 9);
        let a: Vec<f32> = (0..m * k).map(|i| (i as f32 * 0.37).sin()).collect();
        let b: Vec<f32> = (0..k * n).map(|i| (i as f32 * 0.61).cos()).collect();
        let expected = plain(&a, &b, m, k, n);
        let b_t: Vec<f32> = (0..n * k).map(|i| b[(i % k) * n + i / k]).collect();
        for view in [View::rows(&b, k, n), View::rows(&b_t, n, k).t()] {
            let mut out = vec![1.0; m * n];
            matmul(&mut out, View::rows(&a, m, k), view, Start::Accumulate, Threads::One);
            for (got, want) in out.iter().zip(&expected) {
                assert!((got - 1.0 - want).abs() < 1e-5);
            }
        }
    }

    #[test]
    #[should_panic(expected = "larger than its data")]
    fn a_view_beyond_its_data_is_refused() {
        matmul(&mut [0.0; 4], View::rows(&[0.0; 3], 2, 2), View::rows(&[0.0; 4], 2, 2), Start::Zero, Threads::One);
    }
}
