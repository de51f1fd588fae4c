// The last step of every reduction: the blocks' sums, added up.
#include "reduce.cuh"

// total[c] = factor * sum over the n rows of partial (n, columns). One block for each column.
KERNEL sum_of_rows(const double* partial, double factor, double* total, int n, int columns) {
    double sum = 0;
    for (int row = threadIdx.x; row < n; row += blockDim.x)
        sum += partial[(long long)row * columns + blockIdx.x];
    sum = block_sum(sum);
    if (threadIdx.x == 0) total[blockIdx.x] = factor * sum;
}
