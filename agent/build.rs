//! Compiles the kernels for NVIDIA's GPUs, where they are wanted.

#[cfg(feature = "cuda")]
fn main() -> cudaforge::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    // Embedded by `llm::cuda` as it lies in `OUT_DIR`.
    cudaforge::KernelBuilder::new()
        .source_files(["src/llm/cuda/kernels.cu"])
        .arg("-std=c++17")
        .arg("-O3")
        .build_ptx()?;
    Ok(())
}

#[cfg(not(feature = "cuda"))]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
