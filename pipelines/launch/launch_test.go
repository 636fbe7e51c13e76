package launch

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCause(t *testing.T) {
	for text, want := range map[string]string{
		"the disk is full": "the disk is full",
		"java.lang.Exception: Error received\nexternal key not found clickstream/transforms/store.ReplaceFn\nFull error:": "the worker is another program than the one that submits the job " +
			"(external key not found clickstream/transforms/store.ReplaceFn); start the workers with that one",
		"process bundle failed for instruction 3\n\tcaused by:\nplan 1\n\tcaused by:\ntopic clicks is gone; run again\n": "topic clicks is gone; run again",
		"org.apache.spark.SparkException: Only one SparkContext should be running in this JVM.\n" +
			"org.apache.spark.api.java.JavaSparkContext.<init>(JavaSparkContext.scala:58)\n" +
			"org.apache.beam.runners.jobsubmission.JobInvocation.runPipeline(JobInvocation.java:86)\n" +
			"java.base/java.lang.Thread.run(Thread.java:840)": "org.apache.spark.SparkException: Only one SparkContext should be running in this JVM.",
		"java.lang.RuntimeException: it failed\n\tat org.beam.Run$1.go(Run.java:1) ~[beam.jar:?]\n\tat jdk.Method.invoke(Native Method)\n" +
			"Caused by: java.io.IOException: no space\n\tat a.b.C.d(C.java:2)\n\t... 15 more": "Caused by: java.io.IOException: no space",
		"java.base/java.lang.Thread.run(Thread.java:840)": "java.base/java.lang.Thread.run(Thread.java:840)",
	} {
		assert.Equal(t, want, cause(text))
	}
}
