/* The README's example: a softmax cross-entropy loss and its gradient on the first OpenCL device.
 *
 * Expected output: the rows' losses are log(1 + e^-1 + e^-2) = 0.407606 and 3 - 1 + log(1 + e^-2 + e^-3) = 2.169846,
 * their mean 1.288726. */
/* README: begin */
#include <clloss/clloss.h>
#include <stdio.h>

/* The mean cross-entropy of logits[rows][classes] against class indices; its gradient replaces the logits. */
static clloss_status loss_and_grad(cl_context context, cl_device_id device, cl_command_queue queue,
                                   size_t rows, size_t classes, float *logits, const int32_t *targets,
                                   float *loss) {
  clloss_ctx *ctx = NULL;
  clloss_tensor *x = NULL, *t = NULL, *l = NULL;
  clloss_status s = clloss_ctx_create(&ctx, context, device, NULL);
  if (!s) s = clloss_tensor_create(&x, ctx, CLLOSS_F32, rows, classes);
  if (!s) s = clloss_tensor_create(&t, ctx, CLLOSS_I32, rows, 1);
  if (!s) s = clloss_tensor_create(&l, ctx, CLLOSS_F32, 1, 1);
  if (!s) s = clloss_tensor_upload(x, logits, queue, 0, NULL, NULL);
  if (!s) s = clloss_tensor_upload(t, targets, queue, 0, NULL, NULL);

  clloss_xent xent = {.struct_size = sizeof xent, .rows = rows, .classes = classes};
  xent.logits = xent.grad = clloss_tensor_view(x); /* in place */
  xent.targets = clloss_tensor_view(t);
  xent.loss = clloss_tensor_view(l);
  if (!s) s = clloss_xent_fused(ctx, &xent, NULL, queue, 0, NULL, NULL); /* options NULL: the mean */

  if (!s) s = clloss_tensor_download(l, loss, queue, 0, NULL, NULL);
  if (!s) s = clloss_tensor_download(x, logits, queue, 0, NULL, NULL);
  if (s) fprintf(stderr, "%s. %s\n", clloss_status_text(s), clloss_ctx_message(ctx));
  clloss_tensor_destroy(&l);
  clloss_tensor_destroy(&t);
  clloss_tensor_destroy(&x);
  clloss_ctx_destroy(&ctx);
  return s;
}
/* README: end */

int main(void) {
  float logits[2][3] = {{2, 1, 0}, {0, 3, 1}}, loss = 0;
  const int32_t targets[2] = {0, 2};
  cl_platform_id platform = NULL;
  cl_device_id device = NULL;
  cl_context context = NULL;
  cl_command_queue queue = NULL;

  cl_int status = clGetPlatformIDs(1, &platform, NULL);
  if (!status) status = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL);
  if (!status) context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
  if (!status) queue = clCreateCommandQueue(context, device, 0, &status);
  if (status) fprintf(stderr, "no OpenCL device: %s\n", clloss_status_name(status));
  if (!status) status = loss_and_grad(context, device, queue, 2, 3, logits[0], targets, &loss);
  if (!status) {
    printf("loss %.6f\n", (double)loss);
    for (int r = 0; r < 2; r++) {
      printf("grad % .6f % .6f % .6f\n", (double)logits[r][0], (double)logits[r][1], (double)logits[r][2]);
    }
  }
  if (queue) clReleaseCommandQueue(queue);
  if (context) clReleaseContext(context);
  return status ? 1 : 0;
}
