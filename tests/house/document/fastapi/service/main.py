# Blocks: "Async Endpoint with Parallel Processing", "Background Task Processing" and
# "Caching Optimization Results".
import re
import time
from functools import lru_cache

import httpx
from fastapi import BackgroundTasks, FastAPI, HTTPException
from pydantic import BaseModel

from cotality.tuning import execute, optimize

app = FastAPI()


class ProcessingRequest(BaseModel):
    urls: list[str]


class ProcessingResponse(BaseModel):
    results: list[dict]
    total_processed: int
    speedup: float


def fetch_and_analyze(url: str) -> dict:
    """Fetch URL and analyze content."""
    try:
        response = httpx.get(url, timeout=10)
        content = response.text

        # Simple analysis
        return {
            "url": url,
            "status_code": response.status_code,
            "content_length": len(content),
            "title": extract_title(content),
        }
    except Exception as e:
        return {"url": url, "error": str(e)}


@app.post("/analyze-urls", response_model=ProcessingResponse)
async def analyze_urls(request: ProcessingRequest):
    if not request.urls:
        raise HTTPException(status_code=400, detail="No URLs provided")

    # Execute in parallel with optimization
    results = execute(
        func=fetch_and_analyze,
        data=request.urls,
        verbose=True,  # Returns OptimizationResult with metrics
    )

    # If verbose=True, results is an OptimizationResult object
    if hasattr(results, "results"):
        return ProcessingResponse(
            results=results.results,
            total_processed=len(results.results),
            speedup=results.estimated_speedup,
        )
    # If verbose=False, results is just the list
    return ProcessingResponse(
        results=results, total_processed=len(results), speedup=1.0
    )


def extract_title(html: str) -> str:
    """Extract title from HTML (simplified)."""
    match = re.search(r"<title>(.*?)</title>", html, re.IGNORECASE)
    return match.group(1) if match else "No title"


def process_data_item(item_id: int) -> dict:
    """Process a single data item (CPU-intensive)."""
    time.sleep(0.01)  # Replace with actual processing

    return {"item_id": item_id, "status": "processed", "result": item_id * 2}


finished: list[int] = []


def batch_process_task(item_ids: list[int]):
    """Background task that processes multiple items."""
    results = execute(func=process_data_item, data=item_ids, verbose=True)

    # Save results to database, cache, etc.
    print(f"Background processing complete: {len(results.results)} items")
    finished.extend(each["result"] for each in results)


@app.post("/process/batch")
async def trigger_batch_processing(
    item_ids: list[int], background_tasks: BackgroundTasks
):
    # Add background task
    background_tasks.add_task(batch_process_task, item_ids)

    return {
        "status": "processing",
        "message": f"Processing {len(item_ids)} items in background",
        "item_count": len(item_ids),
    }


@lru_cache(maxsize=128)
def get_cached_optimization(data_size: int, func_name: str):
    # Create dummy data for optimization
    dummy_data = list(range(min(data_size, 100)))  # Use sample for optimization

    # Get optimization result
    from .processing import FUNCTION_MAP

    func = FUNCTION_MAP.get(func_name)

    if func is None:
        return None

    result = optimize(func=func, data=dummy_data, verbose=True)

    return {
        "n_jobs": result.n_jobs,
        "chunksize": result.chunksize,
        "speedup": result.estimated_speedup,
        "workload_type": result.profile.workload_type,
    }


@app.post("/process/optimized")
async def process_with_cached_optimization(func_name: str, data: list[int]):
    # Get cached optimization
    opt_params = get_cached_optimization(len(data), func_name)

    if opt_params is None:
        return {"error": f"Unknown function: {func_name}"}

    # Use cached parameters
    from .processing import FUNCTION_MAP

    results = execute(
        func=FUNCTION_MAP[func_name],
        data=data,
        n_jobs=opt_params["n_jobs"],
        chunksize=opt_params["chunksize"],
        verbose=False,
    )

    return {"results": results, "optimization": opt_params, "cached": True}


@app.get("/health")
def health():
    return {"status": "ok", "finished": len(finished)}
