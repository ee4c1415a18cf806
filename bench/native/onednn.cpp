// Answers on standard output for each line on standard input, so that its measurements can be interleaved with those of other processes:
//   version                                  -> ok VERSION ISA
//   gemm s8s8|u8s8 M K N THREADS BUDGET_MS   -> ok MEAN_MS RUNS CHECKSUM NOTE
// The weights are reordered once, into the layout the library prefers, and stay so: what is timed is the product alone.
#include <omp.h>

#include <cstdio>
#include <map>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <sstream>
#include <string>

#include "common.hpp"

using dnnl::memory;

struct Product {
  dnnl::matmul matmul;
  memory a, w, c;
  std::string implementation;
  uint32_t checksum = 0;
};

static std::string isaName(dnnl::cpu_isa isa) {
  using dnnl::cpu_isa;
  switch (isa) {
    case cpu_isa::avx2: return "AVX2";
    case cpu_isa::avx2_vnni: return "AVX2-VNNI";
    case cpu_isa::avx512_core: return "AVX-512";
    case cpu_isa::avx512_core_vnni: return "AVX-512-VNNI";
    case cpu_isa::avx512_core_bf16: return "AVX-512-VNNI-BF16";
    case cpu_isa::avx512_core_amx: return "AVX-512-AMX";
    default: return "isa-" + std::to_string(static_cast<int>(isa));
  }
}

static std::unique_ptr<Product> prepare(const dnnl::engine& engine, dnnl::stream& stream, bool isSigned, int64_t m, int64_t k, int64_t n) {
  const auto aType = isSigned ? memory::data_type::s8 : memory::data_type::u8;
  const memory::desc a({m, k}, aType, memory::format_tag::ab);
  const memory::desc wAny({k, n}, memory::data_type::s8, memory::format_tag::any);
  const memory::desc c({m, n}, memory::data_type::s32, memory::format_tag::ab);
  const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(a, wAny, c), engine);

  auto product = std::make_unique<Product>();
  product->matmul = dnnl::matmul(description);
  product->implementation = description.impl_info_str();
  product->a = memory(a, engine);
  product->w = memory(description.weights_desc(), engine);
  product->c = memory(c, engine);
  fillOperand(static_cast<int8_t*>(product->a.get_data_handle()), m * k, OPERAND_SEED, isSigned ? 0 : QUANT_MAX);
  // Row j of the generated weights is column j of W.
  memory plain({{k, n}, memory::data_type::s8, memory::format_tag::ba}, engine);
  fillOperand(static_cast<int8_t*>(plain.get_data_handle()), n * k, WEIGHT_SEED, 0);
  dnnl::reorder(plain, product->w).execute(stream, plain, product->w);
  stream.wait();
  return product;
}

int main() {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  std::map<std::string, std::unique_ptr<Product>> products;
  serve([&](std::istringstream& request, const std::string& command) -> std::string {
    if (command == "version") {
      const auto* version = dnnl_version();
      std::ostringstream out;
      out << version->major << '.' << version->minor << '.' << version->patch << ' ' << isaName(dnnl::get_effective_cpu_isa());
      return out.str();
    }
    if (command != "gemm") throw std::runtime_error("unknown command");
    std::string types;
    int64_t m = 0, k = 0, n = 0;
    int threads = 1;
    double budget = 0;
    request >> types >> m >> k >> n >> threads >> budget;
    if (!request || (types != "s8s8" && types != "u8s8")) throw std::runtime_error("bad request");
    // A primitive is built for the number of threads of the moment.
    omp_set_num_threads(threads);
    std::ostringstream key;
    key << types << ' ' << m << ' ' << k << ' ' << n << ' ' << threads;
    auto& product = products[key.str()];
    if (!product) product = prepare(engine, stream, types == "s8s8", m, k, n);
    const auto run = [&] {
      product->matmul.execute(stream, {{DNNL_ARG_SRC, product->a}, {DNNL_ARG_WEIGHTS, product->w}, {DNNL_ARG_DST, product->c}});
      stream.wait();
    };
    const Timing timing = timeRuns(run, budget);
    if (product->checksum == 0) product->checksum = checksum(static_cast<int32_t*>(product->c.get_data_handle()), m * n);
    std::ostringstream out;
    out << timing.meanMs << ' ' << timing.runs << ' ' << product->checksum << " implementation " << product->implementation;
    return out.str();
  });
}
