package plenum.bench;

import java.util.zip.CRC32C;

/** A frame of models/contracts/frame.proto, read by hand: only the fields that the workload needs, nothing copied. */
final class Frame {
  private static final int CHECKSUM_BYTES = 5;
  private static final int CHECKSUM_TAG = 0x7d;

  private final CRC32C crc = new CRC32C();
  private byte[] data;
  private int position;

  long measuredAtMs;
  int n;

  /** Where the plane begins in the payload, and its length in bytes. */
  int samplesAt;

  int samplesBytes;

  /**
   * Read a payload, checksum first.
   *
   * @throws IllegalArgumentException it is damaged
   */
  void read(byte[] payload) {
    int body = payload.length - CHECKSUM_BYTES;
    if (body <= 0 || (payload[body] & 0xff) != CHECKSUM_TAG) {
      throw new IllegalArgumentException("frame of " + payload.length + " bytes does not end in a checksum field");
    }
    crc.reset();
    crc.update(payload, 0, body);
    int expected =
        payload[body + 1] & 0xff
            | (payload[body + 2] & 0xff) << 8
            | (payload[body + 3] & 0xff) << 16
            | (payload[body + 4] & 0xff) << 24;
    if ((int) crc.getValue() != expected) {
      throw new IllegalArgumentException("frame of " + payload.length + " bytes does not match its checksum");
    }
    data = payload;
    position = 0;
    measuredAtMs = 0;
    n = 0;
    samplesBytes = 0;
    while (position < body) {
      int tag = (int) varint();
      int field = tag >>> 3;
      switch (tag & 7) {
        case 0 -> {
          long value = varint();
          if (field == 9) {
            measuredAtMs = (value >>> 1) ^ -(value & 1);
          } else if (field == 11) {
            n = (int) value;
          }
        }
        case 1 -> position += 8;
        case 2 -> {
          int length = (int) varint();
          if (field == 12) {
            samplesAt = position;
            samplesBytes = length;
          }
          position += length;
        }
        case 5 -> position += 4;
        default -> throw new IllegalArgumentException("frame has wire type " + (tag & 7));
      }
    }
    if (position != body) {
      throw new IllegalArgumentException("frame of " + payload.length + " bytes is not protobuf");
    }
  }

  private long varint() {
    long value = 0;
    int shift = 0;
    while (true) {
      byte one = data[position++];
      value |= (long) (one & 0x7f) << shift;
      if (one >= 0) {
        return value;
      }
      shift += 7;
    }
  }
}
