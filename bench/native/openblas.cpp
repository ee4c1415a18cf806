// Answers as onednn.cpp does, with float32 operands: `gemm f32 M K N THREADS BUDGET_MS`. All sums stay below 2^24 for k up to 4096,
// so they are exact and comparable. OpenBLAS has no call that packs weights beforehand: it packs them within each product.
#include <cblas.h>

#include <vector>

#include "common.hpp"

int main() {
  serve([&](std::istringstream& request, const std::string& command) -> std::string {
    if (command == "version") return std::string(openblas_get_config()) + " core " + openblas_get_corename();
    if (command != "gemm") throw std::runtime_error("unknown command");
    std::string types;
    int64_t m = 0, k = 0, n = 0;
    int threads = 1;
    double budget = 0;
    request >> types >> m >> k >> n >> threads >> budget;
    if (!request || types != "f32") throw std::runtime_error("bad request");
    openblas_set_num_threads(threads);

    static std::string current;
    static std::vector<float> a, w, c;
    std::ostringstream key;
    key << m << ' ' << k << ' ' << n;
    if (key.str() != current) {
      current = key.str();
      a.resize(m * k);
      c.resize(m * n);
      std::vector<float> columns(n * k);
      fillOperand(a.data(), m * k, OPERAND_SEED, 0);
      fillOperand(columns.data(), n * k, WEIGHT_SEED, 0);
      w.resize(k * n);
      for (int64_t j = 0; j < n; j++)
        for (int64_t i = 0; i < k; i++) w[i * n + j] = columns[j * k + i];
    }
    const Timing timing = timeRuns(
        [&] {
          cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0f, a.data(), k, w.data(), n, 0.0f, c.data(), n);
        },
        budget);
    const std::vector<int32_t> exact(c.begin(), c.end());
    std::ostringstream out;
    out << timing.meanMs << ' ' << timing.runs << ' ' << checksum(exact.data(), m * n);
    return out.str();
  });
}
