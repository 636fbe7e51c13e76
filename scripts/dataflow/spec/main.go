// Command spec writes what a flex template's file in a bucket holds, or the metadata alone, from the settings of run.
//
//	go run ./scripts/dataflow/spec >scripts/dataflow/metadata.json
//	go run ./scripts/dataflow/spec -image europe-docker.pkg.dev/acme/clicks/clickstream:1 >template.json
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"clickstream/pipelines/template"
)

func main() {
	image := flag.String("image", "", "image of the launcher and the workers; without it, the metadata alone is written")
	flag.Parse()
	var of any = template.Metadata()
	if *image != "" {
		of = template.Spec(*image)
	}
	text, err := json.MarshalIndent(of, "", "  ")
	if err == nil {
		_, err = os.Stdout.Write(append(text, '\n'))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "spec:", err)
		os.Exit(1)
	}
}
