/* The README's example: a softmax cross-entropy loss and its gradient on the first OpenCL device.
 *
 * Expected output: the rows' losses are log(1 + e^-1 + e^-2) = 0.407606 and 3 - 1 + log(1 + e^-2 + e^-3) = 2.169846,
 * their mean 1.288726. */
/* README: begin */
#include <clloss/clloss.h>
#include <stdio.h>

/* The mean cross-entropy of logits[rows][classes] against class indices; its gradient replaces the logits. */
static clloss_status loss_and_grad(clloss_ctx *ctx, cl_command_queue queue, size_t rows, size_t classes,
                                   cl_mem logits, cl_mem targets, cl_mem loss) {
  clloss_xent xent = {.struct_size = sizeof xent, .rows = rows, .classes = classes};
  xent.logits = xent.grad = clloss_view_of(logits, CLLOSS_F32); /* in place */
  xent.targets = clloss_view_of(targets, CLLOSS_I32);
  xent.loss = clloss_view_of(loss, CLLOSS_F32);
  clloss_status s = clloss_xent_fused(ctx, &xent, NULL, queue, 0, NULL, NULL); /* options NULL: the mean */
  if (s) fprintf(stderr, "%s. %s\n", clloss_status_text(s), clloss_ctx_message(ctx));
  return s;
}
/* README: end */

int main(void) {
  float logits[2][3] = {{2, 1, 0}, {0, 3, 1}}, loss = 0;
  int32_t targets[2] = {0, 2};
  cl_platform_id platform = NULL;
  cl_device_id device = NULL;
  cl_context context = NULL;
  cl_command_queue queue = NULL;
  cl_mem x = NULL, t = NULL, l = NULL;
  clloss_ctx *ctx = NULL;

  cl_int status = clGetPlatformIDs(1, &platform, NULL);
  if (!status) status = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL);
  if (!status) context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
  if (!status) queue = clCreateCommandQueue(context, device, 0, &status);
  const cl_mem_flags copied = CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR;
  if (!status) x = clCreateBuffer(context, copied, sizeof logits, logits, &status);
  if (!status) t = clCreateBuffer(context, copied, sizeof targets, targets, &status);
  if (!status) l = clCreateBuffer(context, CL_MEM_READ_WRITE, sizeof loss, NULL, &status);
  if (!status) status = clloss_ctx_create(&ctx, context, device, NULL);
  if (status) fprintf(stderr, "no OpenCL device: %s\n", clloss_status_name(status));

  if (!status) status = loss_and_grad(ctx, queue, 2, 3, x, t, l);
  if (!status) status = clEnqueueReadBuffer(queue, l, CL_TRUE, 0, sizeof loss, &loss, 0, NULL, NULL);
  if (!status) status = clEnqueueReadBuffer(queue, x, CL_TRUE, 0, sizeof logits, logits, 0, NULL, NULL);
  if (!status) {
    printf("loss %.6f\n", (double)loss);
    for (int r = 0; r < 2; r++) {
      printf("grad % .6f % .6f % .6f\n", (double)logits[r][0], (double)logits[r][1], (double)logits[r][2]);
    }
  }
  clloss_ctx_destroy(&ctx);
  if (l) clReleaseMemObject(l);
  if (t) clReleaseMemObject(t);
  if (x) clReleaseMemObject(x);
  if (queue) clReleaseCommandQueue(queue);
  if (context) clReleaseContext(context);
  return status != 0;
}
