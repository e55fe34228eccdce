//! [`KeyValueList`] as a protobuf message: entries are copied as they are.

use bytes::{Buf, BufMut, Bytes};
use prost::{
    DecodeError, Message,
    encoding::{self, DecodeContext, WireType},
};

use super::{KeyValueList, build::put_entry};

impl Message for KeyValueList {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        buffer.put_slice(&self.encoded);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag != 1 {
            return encoding::skip_field(wire_type, tag, buffer, context);
        }
        let mut entry = Bytes::new();
        encoding::bytes::merge(wire_type, &mut entry, buffer, context)?;
        // While a list is being decoded nobody else holds its bytes, so they grow in place.
        let mut encoded = self.take_mut();
        put_entry(&entry, &mut encoded);
        self.encoded = encoded.freeze();
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.encoded.len()
    }

    fn clear(&mut self) {
        self.encoded = Bytes::new();
    }
}
