//! Unit vectors that follow from model and input, and the ways to write them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::text;
use crate::ask::Encoding;

/// A unit vector from a xorshift sequence.
pub(crate) fn of(model: &str, input: &str, dimensions: usize) -> Vec<f32> {
    let mut state = text::hash(&[model.as_bytes(), input.as_bytes()]) | 1;
    let mut vector: Vec<f32> = (0..dimensions)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // The upper 16 bits as a number between -1 and 1.
            f32::from(u16::try_from(state >> 48).unwrap_or(0)) / 32_767.5 - 1.0
        })
        .collect();
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.iter_mut().for_each(|x| *x /= norm);
    vector
}

/// The vector's numbers as bytes, in base64.
pub(crate) fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// The vector in one of the encodings.
pub(crate) fn encoded(vector: &[f32], encoding: Encoding) -> Value {
    let scaled = |x: &f32| ((f64::from(*x) * 127.0).round() as i64).clamp(-128, 127);
    let packed = |offset: i64| -> Vec<i64> {
        let byte = |bits: &[f32]| {
            let shifted = |byte, (nth, x): (usize, &f32)| byte | i64::from(*x > 0.0) << (7 - nth);
            bits.iter().enumerate().fold(0, shifted)
        };
        vector.chunks(8).map(|bits| byte(bits) - offset).collect()
    };
    match encoding {
        Encoding::Float => json!(vector),
        Encoding::Base64 => json!(base64(vector)),
        Encoding::Int8 => vector.iter().map(scaled).collect(),
        Encoding::Uint8 => vector.iter().map(|x| scaled(x) + 128).collect(),
        Encoding::Ubinary => json!(packed(0)),
        Encoding::Binary => json!(packed(128)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_holds_the_same_unit_vector() {
        let vector = of("m", "x", 16);
        assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        assert_ne!(vector, of("m", "y", 16));
        let bytes = STANDARD.decode(base64(&vector)).unwrap();
        let decoded: Vec<f32> =
            bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(decoded, vector);
        let signs = encoded(&vector, Encoding::Ubinary);
        assert_eq!(signs.as_array().unwrap().len(), 2);
        let top = signs[0].as_i64().unwrap() & 0x80 != 0;
        assert_eq!(top, vector[0] > 0.0);
        assert_eq!(encoded(&vector, Encoding::Binary)[0], signs[0].as_i64().unwrap() - 128);
        let small = encoded(&vector, Encoding::Int8);
        let large = encoded(&vector, Encoding::Uint8);
        assert_eq!(small[3].as_i64().unwrap() + 128, large[3].as_i64().unwrap());
    }
}
