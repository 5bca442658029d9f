package plenum.bench;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * The workload, one frame at a time, as tests/bench/stream/naive.py says it; the recursion over samples is solved as in
 * workload.py. A unit is kept as 52 doubles: 24 means, 24 variances, frames, over, under, raised.
 */
final class Unit {
  static final byte NOTHING = 0;
  static final byte RAISED = 1;
  static final byte CLEARED = 2;

  private static final VarHandle DOUBLES =
      MethodHandles.byteArrayViewVarHandle(double[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle SHORTS =
      MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);

  private final Parameters p;
  private final int channels;
  private final double[] mean;
  private final double[] variance;
  private final double[] frameMean;
  private final double[] z;
  private final double[][] layers;
  private final double[] x;

  private final int outdoor;
  private final int indoor;
  private final int mixed;
  private final int supply;
  private final int setpoint;
  private final int heating;
  private final int cooling;
  private final int fanSpeed;
  private final int fanStatus;
  private final int pressure;
  private final int pressureSetpoint;
  private final int filter;
  private final double valveClosed;
  private final double leakingRise;
  private final double valveOpen;
  private final double supplyAbove;
  private final double bothValves;
  private final double fanFull;
  private final double pressureDeficit;
  private final double mixingMargin;
  private final double filterZ;
  private final double level;

  double probability;
  int rules;

  Unit(Parameters parameters) {
    p = parameters;
    channels = p.scales.length;
    mean = new double[channels];
    variance = new double[channels];
    frameMean = new double[channels];
    z = new double[channels];
    x = new double[p.samples];
    layers = new double[p.weights.length][];
    for (int l = 0; l < layers.length; l++) {
      layers[l] = new double[p.biases[l].length];
    }
    outdoor = p.at("outdoor_air_temperature");
    indoor = p.at("return_air_temperature");
    mixed = p.at("mixed_air_temperature");
    supply = p.at("supply_air_temperature");
    setpoint = p.at("supply_air_temperature_setpoint");
    heating = p.at("heating_valve_command");
    cooling = p.at("cooling_valve_command");
    fanSpeed = p.at("supply_fan_speed_command");
    fanStatus = p.at("supply_fan_status");
    pressure = p.at("supply_air_static_pressure");
    pressureSetpoint = p.at("supply_air_static_pressure_setpoint");
    filter = p.at("filter_differential_pressure");
    valveClosed = p.limit("valve_closed_fraction");
    leakingRise = p.limit("leaking_rise_celsius");
    valveOpen = p.limit("valve_open_fraction");
    supplyAbove = p.limit("supply_above_setpoint_celsius");
    bothValves = p.limit("both_valves_fraction");
    fanFull = p.limit("fan_full_fraction");
    pressureDeficit = p.limit("pressure_deficit_pascals");
    mixingMargin = p.limit("mixing_margin_celsius");
    filterZ = p.limit("filter_z");
    level = p.limit("probability");
  }

  int memoryBytes() {
    return 8 * (2 * channels + 4);
  }

  /**
   * One frame of a unit.
   *
   * @param memory what is remembered of it, null at its first frame
   * @param next what to remember, filled here
   * @return NOTHING, RAISED or CLEARED; `probability` and `rules` are of this frame
   */
  byte step(byte[] memory, byte[] next, byte[] payload, Frame frame) {
    if (frame.n != p.samples || frame.samplesBytes != 2 * channels * p.samples) {
      throw new IllegalArgumentException("frame has a plane of " + frame.samplesBytes + " bytes");
    }
    double frames = 0;
    double over = 0;
    double under = 0;
    double raised = 0;
    if (memory != null) {
      for (int c = 0; c < channels; c++) {
        mean[c] = (double) DOUBLES.get(memory, 8 * c);
        variance[c] = (double) DOUBLES.get(memory, 8 * (channels + c));
      }
      frames = (double) DOUBLES.get(memory, 16 * channels);
      over = (double) DOUBLES.get(memory, 16 * channels + 8);
      under = (double) DOUBLES.get(memory, 16 * channels + 16);
      raised = (double) DOUBLES.get(memory, 16 * channels + 24);
    }
    for (int c = 0; c < channels; c++) {
      channel(c, payload, frame.samplesAt + 2 * p.samples * c, memory == null);
    }
    probability = infer();
    rules = judge();
    boolean isOver = frames >= p.settleFrames && (probability > level || rules != 0);
    over = isOver ? over + 1 : 0;
    under = isOver ? 0 : under + 1;
    byte transition = NOTHING;
    if (raised == 0 && over >= p.raiseFrames) {
      transition = RAISED;
      raised = 1;
    } else if (raised != 0 && under >= p.clearFrames) {
      transition = CLEARED;
      raised = 0;
    }
    for (int c = 0; c < channels; c++) {
      DOUBLES.set(next, 8 * c, mean[c]);
      DOUBLES.set(next, 8 * (channels + c), variance[c]);
    }
    DOUBLES.set(next, 16 * channels, frames + 1);
    DOUBLES.set(next, 16 * channels + 8, over);
    DOUBLES.set(next, 16 * channels + 16, under);
    DOUBLES.set(next, 16 * channels + 24, raised);
    return transition;
  }

  /** Mean, z and the weighted moments of one channel. Four sums run side by side, since one waits for its last addition. */
  private void channel(int c, byte[] payload, int at, boolean first) {
    double scale = p.scales[c];
    double[] values = x;
    int samples = values.length;
    for (int i = 0; i < samples; i++) {
      values[i] = (short) SHORTS.get(payload, at + 2 * i) * scale;
    }
    if (first) {
      mean[c] = values[0];
      variance[c] = 0;
    }
    double before = mean[c];
    double[] weights = p.sampleWeights;
    double total0 = 0;
    double total1 = 0;
    double step0 = 0;
    double step1 = 0;
    double square0 = 0;
    double square1 = 0;
    for (int i = 0; i + 1 < samples; i += 2) {
      double y0 = values[i] - before;
      double y1 = values[i + 1] - before;
      double weighted0 = weights[i] * y0;
      double weighted1 = weights[i + 1] * y1;
      total0 += y0;
      total1 += y1;
      step0 += weighted0;
      step1 += weighted1;
      square0 += weighted0 * y0;
      square1 += weighted1 * y1;
    }
    double aside = (total0 + total1) / samples;
    double step = step0 + step1;
    frameMean[c] = before + aside;
    z[c] = Math.max(-p.zMax, Math.min(p.zMax, aside / Math.sqrt(variance[c] + p.floorVariance[c])));
    mean[c] = before + step;
    variance[c] = Math.max(0, p.kept * variance[c] + square0 + square1 - step * step);
  }

  private double infer() {
    double[] input = z;
    for (int l = 0; l < layers.length; l++) {
      double[] output = layers[l];
      System.arraycopy(p.biases[l], 0, output, 0, output.length);
      double[] weights = p.weights[l];
      for (int i = 0; i < input.length; i++) {
        double value = input[i];
        int row = i * output.length;
        for (int o = 0; o < output.length; o++) {
          output[o] += value * weights[row + o];
        }
      }
      if (l < layers.length - 1) {
        for (int o = 0; o < output.length; o++) {
          output[o] = Math.max(0, output[o]);
        }
      }
      input = output;
    }
    return 1 / (1 + Math.exp(-input[0]));
  }

  private int judge() {
    double[] m = frameMean;
    boolean runs = m[fanStatus] > 0.5;
    int bits = 0;
    if (runs && m[heating] < valveClosed && m[supply] - m[mixed] > leakingRise) {
      bits |= 1;
    }
    if (runs && m[cooling] > valveOpen && m[supply] > m[setpoint] + supplyAbove) {
      bits |= 2;
    }
    if (m[heating] > bothValves && m[cooling] > bothValves) {
      bits |= 4;
    }
    if (m[fanSpeed] > fanFull && m[pressureSetpoint] - m[pressure] > pressureDeficit) {
      bits |= 8;
    }
    double low = Math.min(Math.min(m[outdoor], m[indoor]), Math.min(mean[outdoor], mean[indoor]));
    double high = Math.max(Math.max(m[outdoor], m[indoor]), Math.max(mean[outdoor], mean[indoor]));
    if (runs && (m[mixed] < low - mixingMargin || m[mixed] > high + mixingMargin)) {
      bits |= 16;
    }
    if (z[filter] > filterZ) {
      bits |= 32;
    }
    return bits;
  }
}
