//! Point clouds on a flat canvas: rotate, tilt, project. Pure arithmetic; the canvas itself is `view::cloud`'s.

use std::f64::consts::{PI, TAU};

/// Where the eye is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Turn about the vertical axis, in radians.
    pub yaw: f64,
    /// Height of the eye above the ground plane, in radians.
    pub pitch: f64,
}

impl Default for Camera {
    fn default() -> Self {
        Camera { yaw: 0.7, pitch: 0.45 }
    }
}

impl Camera {
    /// The eye moved by these angles; it never passes the poles.
    pub fn turned(self, yaw: f64, pitch: f64) -> Camera {
        Camera { yaw: (self.yaw + yaw).rem_euclid(TAU), pitch: (self.pitch + pitch).clamp(-PI / 2.0, PI / 2.0) }
    }
}

/// A point on the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dot {
    /// Pixels from the left.
    pub x: f64,
    /// Pixels from the top.
    pub y: f64,
    /// 0 is the farthest and 1 the nearest that a point of the unit sphere can be.
    pub nearness: f64,
}

/// Distance of the eye from the centre in radii: a little perspective, no distortion.
const EYE: f64 = 4.0;

/// Part of the canvas that the unit sphere fills.
const FILL: f64 = 0.92;

/// Projects points (x, y, z of each, inside the unit sphere, z up) on a canvas of this size; every `stride`th is kept.
pub fn project(points: &[f32], camera: Camera, [width, height]: [f64; 2], stride: usize) -> Vec<Dot> {
    let (sin_yaw, cos_yaw) = camera.yaw.sin_cos();
    let (sin_pitch, cos_pitch) = camera.pitch.sin_cos();
    let scale = FILL * width.min(height) / 2.0;
    let dot = |p: &[f32]| {
        let (x, y, z) = (f64::from(p[0]), f64::from(p[1]), f64::from(p[2]));
        let across = x * cos_yaw - y * sin_yaw;
        let away = x * sin_yaw + y * cos_yaw;
        let toward = z * sin_pitch - away * cos_pitch;
        let up = z * cos_pitch + away * sin_pitch;
        let zoom = scale * EYE / (EYE - toward) * (1.0 - 1.0 / (EYE * EYE)).sqrt();
        Dot { x: width / 2.0 + across * zoom, y: height / 2.0 - up * zoom, nearness: (toward + 1.0) / 2.0 }
    };
    points.chunks_exact(3).step_by(stride.max(1)).map(dot).collect()
}

/// How many layers of distance are painted: one colour each, the farthest first.
pub const LAYERS: usize = 5;

/// The layer of a dot, 0 for the farthest.
pub fn layer(dot: &Dot) -> usize {
    ((dot.nearness * LAYERS as f64) as usize).min(LAYERS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT: Camera = Camera { yaw: 0.0, pitch: 0.0 };

    #[test]
    fn up_is_up_and_right_is_right() {
        let dots = project(&[0.0, 0.0, 0.5, 0.5, 0.0, 0.0], FRONT, [200.0, 100.0], 1);
        assert!((dots[0].x - 100.0).abs() < 1e-9 && dots[0].y < 50.0, "{dots:?}");
        assert!(dots[1].x > 100.0 && (dots[1].y - 50.0).abs() < 1e-9, "{dots:?}");
    }

    #[test]
    fn the_near_is_painted_last_and_larger() {
        let dots = project(&[0.5, -0.9, 0.0, 0.5, 0.9, 0.0], FRONT, [100.0, 100.0], 1);
        assert!(dots[0].nearness > dots[1].nearness && layer(&dots[0]) > layer(&dots[1]));
        assert!(dots[0].x > dots[1].x, "{dots:?}");
    }

    #[test]
    fn the_unit_sphere_stays_on_the_canvas() {
        let mut points = Vec::new();
        for i in 0..64 {
            let (s, c) = (i as f32 / 64.0 * std::f32::consts::TAU).sin_cos();
            points.extend([c, s, 0.0, c, 0.0, s, 0.0, c, s]);
        }
        for step in 0..16 {
            let camera = Camera::default().turned(f64::from(step) * 0.4, f64::from(step % 5) * 0.3 - 0.6);
            let dots = project(&points, camera, [300.0, 200.0], 1);
            assert!(dots.iter().all(|d| (0.0..=300.0).contains(&d.x) && (0.0..=200.0).contains(&d.y)));
        }
    }

    #[test]
    fn the_eye_stops_at_the_poles() {
        assert_eq!(FRONT.turned(0.0, 9.0).pitch, PI / 2.0);
        assert!((FRONT.turned(-0.1, 0.0).yaw - (TAU - 0.1)).abs() < 1e-12);
    }
}
