// What the native subjects share: the generated operands, the clock, and the loop that answers requests.
#pragma once
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>

// The same as in src/operands.ts.
constexpr uint32_t OPERAND_SEED = 1;
constexpr uint32_t WEIGHT_SEED = 2;

// Quantised values of the protocol, -63..63; unsigned operands are the same, shifted to 0..126.
constexpr int QUANT_MAX = 63;

template <typename T>
void fillOperand(T* out, int64_t count, uint32_t seed, int shift) {
  uint32_t state = seed;
  for (int64_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    out[i] = static_cast<T>(static_cast<int>((state >> 16) % (2 * QUANT_MAX + 1)) - QUANT_MAX + shift);
  }
}

inline uint32_t checksum(const int32_t* values, int64_t count) {
  uint32_t sum = 0;
  for (int64_t i = 0; i < count; i++) sum = sum * 31u + static_cast<uint32_t>(values[i]);
  return sum;
}

struct Timing {
  double meanMs;
  int runs;
};

inline double nowMs() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// One run to warm the caches, then as many as fill the budget, at least one.
inline Timing timeRuns(const std::function<void()>& run, double budgetMs) {
  const double before = nowMs();
  run();
  const double once = nowMs() - before;
  const int runs = std::max(1, static_cast<int>(std::ceil(budgetMs / std::max(once, 1e-6))));
  const double start = nowMs();
  for (int i = 0; i < runs; i++) run();
  return {(nowMs() - start) / runs, runs};
}

inline void serve(const std::function<std::string(std::istringstream&, const std::string&)>& answer) {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream request(line);
    std::string command;
    request >> command;
    try {
      std::cout << "ok " << answer(request, command) << std::endl;
    } catch (const std::exception& error) {
      std::cout << "error " << error.what() << std::endl;
    }
  }
}
