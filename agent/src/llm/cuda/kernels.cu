// What candle has no kernel for, or needs several for: each of these is one pass over its numbers.

#include <cuda_fp16.h>
#include <stdint.h>

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#error "expected a GPU of compute capability 8.0 or newer"
#endif

static constexpr int WARP = 32;
static constexpr unsigned ALL = 0xffffffffu;
static constexpr float HALF_MAX = 65504.0f;

static __device__ float warp_sum(float x) {
    for (int step = WARP / 2; step > 0; step /= 2) {
        x += __shfl_xor_sync(ALL, x, step);
    }
    return x;
}

// The sum over a block of at most 1,024 threads, a multiple of 32.
static __device__ float block_sum(float x) {
    __shared__ float sums[WARP];
    const int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
    x = warp_sum(x);
    if (lane == 0) {
        sums[warp] = x;
    }
    __syncthreads();
    return warp_sum(lane < warps ? sums[lane] : 0.0f);
}

// out[0] = x + more, out[1] = its root-mean-square norm; a block for each row of n.
extern "C" __global__ void add_norm(
    const float *x, const float *more, const float *weight, float *out, int n, float eps
) {
    const size_t row = (size_t)blockIdx.x * n, all = (size_t)gridDim.x * n;
    float squares = 0.0f;
    for (int at = threadIdx.x; at < n; at += blockDim.x) {
        const float sum = x[row + at] + more[row + at];
        out[row + at] = sum;
        squares += sum * sum;
    }
    const float factor = rsqrtf(block_sum(squares) / n + eps);
    for (int at = threadIdx.x; at < n; at += blockDim.x) {
        out[all + row + at] = out[row + at] * factor * weight[at];
    }
}

// out = x + bias, for each row of n; a block for each.
extern "C" __global__ void add_bias(const float *x, const float *bias, float *out, int n) {
    const size_t row = (size_t)blockIdx.x * n;
    for (int at = threadIdx.x; at < n; at += blockDim.x) {
        out[row + at] = x[row + at] + bias[at];
    }
}

// Norms (if there are weights) and turns a head of 2 * pairs; a block for each head (x) of each position (y).
// The angles of a position are its cosines and behind all cosines its sines.
extern "C" __global__ void turn(
    const float *x, const float *weight, const float *angles, float *out, int pairs, float eps
) {
    const size_t head = ((size_t)blockIdx.y * gridDim.x + blockIdx.x) * 2 * pairs;
    const float *cosines = angles + (size_t)blockIdx.y * pairs;
    const float *sines = cosines + (size_t)gridDim.y * pairs;
    float factor = 1.0f;
    if (weight) {
        float squares = 0.0f;
        for (int at = threadIdx.x; at < 2 * pairs; at += blockDim.x) {
            squares += x[head + at] * x[head + at];
        }
        factor = rsqrtf(block_sum(squares) / (2 * pairs) + eps);
    }
    for (int at = threadIdx.x; at < pairs; at += blockDim.x) {
        float first = x[head + at] * factor, second = x[head + pairs + at] * factor;
        if (weight) {
            first *= weight[at];
            second *= weight[pairs + at];
        }
        out[head + at] = first * cosines[at] - second * sines[at];
        out[head + pairs + at] = first * sines[at] + second * cosines[at];
    }
}

// Writes new rows behind those that a cache holds, as halves; a block for each head (x) of each position (y). What a
// half cannot hold becomes the largest that it can.
extern "C" __global__ void store(
    const float *from, int64_t from_head, int64_t from_row, __half *to, int64_t to_head, int size
) {
    const float *source = from + blockIdx.x * from_head + blockIdx.y * from_row;
    __half *target = to + blockIdx.x * to_head + (int64_t)blockIdx.y * size;
    for (int at = threadIdx.x; at < size; at += blockDim.x) {
        target[at] = __float2half(fminf(fmaxf(source[at], -HALF_MAX), HALF_MAX));
    }
}

// silu(gate) * up.
extern "C" __global__ void gated(const float *gate, const float *up, float *out, int64_t n) {
    const int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (at < n) {
        out[at] = gate[at] / (1.0f + __expf(-gate[at])) * up[at];
    }
}

// ---- attention

static constexpr int WARPS = 4;
static constexpr int ROWS_OF_WARP = 16;
static constexpr int ROWS = WARPS * ROWS_OF_WARP;
static constexpr int KEYS = 64;
// Halves behind each row of a tile, so that the rows that a warp reads at once lie in different banks.
static constexpr int GAP = 8;
static constexpr float LOG2_E = 1.4426950408889634f;

static __device__ uint32_t halves(float low, float high) {
    const __half2 both = __floats2half2_rn(low, high);
    return *reinterpret_cast<const uint32_t *>(&both);
}

// sums[16, 8] += a[16, 16] * b[16, 8]
static __device__ void multiply(float (&sums)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1)
    );
}

// Four transposed 8 x 8 matrices of halves.
static __device__ void load_transposed(uint32_t (&to)[4], const __half *row) {
    const uint32_t address = (uint32_t)__cvta_generic_to_shared(row);
    asm volatile(
        "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
        : "r"(address)
    );
}

static __device__ float quad_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(ALL, x, 1));
    return fmaxf(x, __shfl_xor_sync(ALL, x, 2));
}

static __device__ float quad_sum(float x) {
    x += __shfl_xor_sync(ALL, x, 1);
    return x + __shfl_xor_sync(ALL, x, 2);
}

// Copies KEYS rows of D halves from key `from` on; behind the last key there are zeros.
template <int D>
static __device__ void load_tile(__half (&tile)[KEYS][D + GAP], const __half *rows, int from, int s) {
    constexpr int CHUNK = 8, CHUNKS = D / CHUNK;
    for (int at = threadIdx.x; at < KEYS * CHUNKS; at += WARPS * WARP) {
        const int row = at / CHUNKS, column = at % CHUNKS * CHUNK;
        uint4 chunk = make_uint4(0, 0, 0, 0);
        if (from + row < s) {
            chunk = *reinterpret_cast<const uint4 *>(rows + (int64_t)(from + row) * D + column);
        }
        *reinterpret_cast<uint4 *>(&tile[row][column]) = chunk;
    }
}

// Attention of t queries, the last of s positions, with an online softmax. A block takes ROWS rows (x) of a group of
// heads that share keys (y); row r is head r % (h / h_kv) of position r / (h / h_kv). With several splits (z) each
// takes some of the keys and writes unweighted sums, the largest score and the sum of weights, which `combine` puts
// together.
template <int D>
static __device__ void attend(
    const float *query, const __half *keys, const __half *values, float *out, int t, int s, int h,
    int h_kv, int64_t key_head, int64_t value_head, float scale, int keys_of_split
) {
    __shared__ __align__(16) __half key_tile[KEYS][D + GAP];
    __shared__ __align__(16) __half value_tile[KEYS][D + GAP];
    constexpr int STEPS = D / 16, COLUMNS = D / 8, TILES = KEYS / 8;
    const int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    const int group = h / h_kv, n_rows = t * group;
    const int first = blockIdx.x * ROWS + warp * ROWS_OF_WARP;
    const int rows[2] = {first + lane / 4, first + lane / 4 + 8};
    const int pair = lane % 4 * 2;
    const bool is_idle = first >= n_rows;
    keys += blockIdx.y * key_head;
    values += blockIdx.y * value_head;

    int64_t at_query[2];
    int last[2];
    uint32_t q[STEPS][4];
    for (int half = 0; half < 2; half++) {
        const int row = min(rows[half], n_rows - 1), position = row / group;
        at_query[half] = ((int64_t)position * h + blockIdx.y * group + row % group) * D;
        last[half] = s - t + position;
#pragma unroll
        for (int step = 0; step < STEPS; step++) {
#pragma unroll
            for (int side = 0; side < 2; side++) {
                const float *from = query + at_query[half] + step * 16 + side * 8 + pair;
                q[step][half + 2 * side] = halves(from[0], from[1]);
            }
        }
    }

    float sums[COLUMNS][4] = {};
    float most[2] = {-INFINITY, -INFINITY}, weight[2] = {0.0f, 0.0f};
    const int last_row = min((int)(blockIdx.x + 1) * ROWS, n_rows) - 1;
    const int begin = blockIdx.z * keys_of_split;
    const int end = min(begin + keys_of_split, s - t + last_row / group + 1);
    for (int from = begin; from < end; from += KEYS) {
        __syncthreads();
        load_tile<D>(key_tile, keys, from, s);
        load_tile<D>(value_tile, values, from, s);
        __syncthreads();
        if (is_idle) {
            continue;
        }
        float scores[TILES][4] = {};
#pragma unroll
        for (int tile = 0; tile < TILES; tile++) {
            const __half *key = &key_tile[tile * 8 + lane / 4][pair];
#pragma unroll
            for (int step = 0; step < STEPS; step++) {
                multiply(
                    scores[tile], q[step], *reinterpret_cast<const uint32_t *>(key + step * 16),
                    *reinterpret_cast<const uint32_t *>(key + step * 16 + 8)
                );
            }
        }
        float highest[2] = {most[0], most[1]};
#pragma unroll
        for (int tile = 0; tile < TILES; tile++) {
#pragma unroll
            for (int at = 0; at < 4; at++) {
                const bool is_seen = from + tile * 8 + pair + at % 2 <= last[at / 2];
                scores[tile][at] = is_seen ? scores[tile][at] * (scale * LOG2_E) : -INFINITY;
                highest[at / 2] = fmaxf(highest[at / 2], scores[tile][at]);
            }
        }
        float zero[2];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            highest[half] = quad_max(highest[half]);
            // A row that has seen no key yet has no largest score to be measured by.
            zero[half] = highest[half] == -INFINITY ? 0.0f : highest[half];
            const float kept = exp2f(most[half] - zero[half]);
            most[half] = highest[half];
            weight[half] *= kept;
#pragma unroll
            for (int column = 0; column < COLUMNS; column++) {
                sums[column][2 * half] *= kept;
                sums[column][2 * half + 1] *= kept;
            }
        }
#pragma unroll
        for (int tile = 0; tile < TILES; tile++) {
#pragma unroll
            for (int at = 0; at < 4; at++) {
                scores[tile][at] = exp2f(scores[tile][at] - zero[at / 2]);
                weight[at / 2] += scores[tile][at];
            }
        }
#pragma unroll
        for (int step = 0; step < KEYS / 16; step++) {
            const float(&left)[4] = scores[2 * step], (&right)[4] = scores[2 * step + 1];
            const uint32_t p[4] = {
                halves(left[0], left[1]), halves(left[2], left[3]), halves(right[0], right[1]),
                halves(right[2], right[3])
            };
            const __half *value = &value_tile[step * 16 + lane / 8 % 2 * 8 + lane % 8][lane / 16 * 8];
#pragma unroll
            for (int column = 0; column < COLUMNS; column += 2) {
                uint32_t v[4];
                load_transposed(v, value + column * 8);
                multiply(sums[column], p, v[0], v[1]);
                multiply(sums[column + 1], p, v[2], v[3]);
            }
        }
    }
    if (is_idle) {
        return;
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        weight[half] = quad_sum(weight[half]);
        if (rows[half] >= n_rows) {
            continue;
        }
        float *to = out + at_query[half];
        float factor = 1.0f / weight[half];
        if (gridDim.z > 1) {
            const int64_t head = at_query[half] / D, n_heads = (int64_t)t * h;
            to = out + (blockIdx.z * n_heads + head) * (D + 2);
            factor = 1.0f;
            if (lane % 4 == 0) {
                to[D] = most[half];
                to[D + 1] = weight[half];
            }
        }
#pragma unroll
        for (int column = 0; column < COLUMNS; column++) {
            to[column * 8 + pair] = sums[column][2 * half] * factor;
            to[column * 8 + pair + 1] = sums[column][2 * half + 1] * factor;
        }
    }
}

#define ATTEND(D)                                                                                  \
    extern "C" __global__ void __launch_bounds__(WARPS *WARP) attend_##D(                          \
        const float *query, const __half *keys, const __half *values, float *out, int t, int s,    \
        int h, int h_kv, int64_t key_head, int64_t value_head, float scale, int keys_of_split      \
    ) {                                                                                            \
        attend<D>(                                                                                 \
            query, keys, values, out, t, s, h, h_kv, key_head, value_head, scale, keys_of_split    \
        );                                                                                         \
    }

ATTEND(64)
ATTEND(128)

// Puts the splits of a head (x) of `size` numbers together.
extern "C" __global__ void combine(const float *parts, float *out, int n_splits, int size) {
    const int64_t head = blockIdx.x, n_heads = gridDim.x;
    float most = -INFINITY;
    for (int split = 0; split < n_splits; split++) {
        most = fmaxf(most, parts[(split * n_heads + head) * (size + 2) + size]);
    }
    float sum = 0.0f, weight = 0.0f;
    for (int split = 0; split < n_splits; split++) {
        const float *part = parts + (split * n_heads + head) * (size + 2);
        const float factor = exp2f(part[size] - most);
        sum += part[threadIdx.x] * factor;
        weight += part[size + 1] * factor;
    }
    out[head * size + threadIdx.x] = sum / weight;
}
