package plenum.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** The numbers of tests/bench/stream/workload.json, which every engine reads. */
final class Parameters {
  final List<String> points = new ArrayList<>();
  final double[] scales;
  final double[] floorVariance;
  final int samples;
  final double[] sampleWeights;
  final double kept;
  final double zMax;
  final int settleFrames;
  final int raiseFrames;
  final int clearFrames;
  final JsonNode limits;

  /** Of layer l from input i to output o: weights[l][i * outputs + o]. */
  final double[][] weights;

  final double[][] biases;

  Parameters(File file) throws IOException {
    JsonNode root = new ObjectMapper().readTree(file);
    for (JsonNode point : root.get("points")) {
      points.add(point.asText());
    }
    scales = doubles(root.get("scales"));
    samples = root.get("samples").asInt();
    double floorSteps = root.get("floor_steps").asDouble();
    floorVariance = new double[scales.length];
    for (int c = 0; c < scales.length; c++) {
      floorVariance[c] = floorSteps * scales[c] * floorSteps * scales[c];
    }
    double alpha = root.get("alpha").asDouble();
    sampleWeights = new double[samples];
    for (int i = 0; i < samples; i++) {
      sampleWeights[i] = alpha * Math.pow(1 - alpha, samples - 1 - i);
    }
    kept = Math.pow(1 - alpha, samples);
    zMax = root.get("z_max").asDouble();
    settleFrames = root.get("settle_frames").asInt();
    raiseFrames = root.get("raise_frames").asInt();
    clearFrames = root.get("clear_frames").asInt();
    limits = root.get("limits");
    JsonNode layers = root.get("weights");
    weights = new double[layers.size()][];
    biases = new double[layers.size()][];
    for (int l = 0; l < layers.size(); l++) {
      biases[l] = doubles(root.get("biases").get(l));
      int outputs = biases[l].length;
      weights[l] = new double[layers.get(l).size() * outputs];
      for (int i = 0; i < layers.get(l).size(); i++) {
        System.arraycopy(doubles(layers.get(l).get(i)), 0, weights[l], i * outputs, outputs);
      }
    }
  }

  /** Column of a point. */
  int at(String point) {
    int column = points.indexOf(point);
    if (column < 0) {
      throw new IllegalArgumentException("workload has no point '" + point + "'");
    }
    return column;
  }

  double limit(String name) {
    return limits.required(name).asDouble();
  }

  private static double[] doubles(JsonNode array) {
    double[] values = new double[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).asDouble();
    }
    return values;
  }
}
